"""Becomes one process of the fleet: `python launch.py PARENT SOCKET ALIVE COMMAND`, a program of its own.

What must happen between fork and exec happens here, because Python code after a fork may hang in a parent that has
threads. PARENT is the pid of the fleet, SOCKET the descriptor of the listening socket or "-", ALIVE the file that
the process touches while it works, with {pid} for its pid.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
FIRST_DESCRIPTOR = 3  # where sd_listen_fds(3) puts the first socket


def main(parent: str, listening: str, alive: str, command: str) -> None:
    """Never returns."""
    _end_with_the_fleet(int(parent))
    os.environ["GATEWAY_ALIVE_FILE"] = alive.format(pid=os.getpid())
    if listening != "-":
        if int(listening) == FIRST_DESCRIPTOR:
            os.set_inheritable(FIRST_DESCRIPTOR, True)
        else:
            os.dup2(int(listening), FIRST_DESCRIPTOR, inheritable=True)
            # A copy nobody closes would go on taking connections that the program, draining, no longer answers.
            os.close(int(listening))
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    os.execv("/bin/sh", ["/bin/sh", "-c", command])  # noqa: S606 - our own Procfile


def _end_with_the_fleet(parent: int) -> None:
    """When the fleet is killed, SIGTERM: what nobody watches drains and leaves its place to the next fleet."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was killed before we asked
        sys.exit("the fleet has ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
