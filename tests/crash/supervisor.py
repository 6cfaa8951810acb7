"""Until `gateway_project.fleet` restarts what dies: the same processes, restarted after half a second."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from honcho import environ

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    run = Path(os.environ["GATEWAY_VAR"]) / "run"
    run.mkdir(parents=True, exist_ok=True)
    commands = environ.parse_procfile((ROOT / "Procfile").read_text()).processes
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    running: dict[str, subprocess.Popen[bytes]] = {}
    while not ending:
        for name, command in commands.items():
            if name in running and running[name].poll() is None:
                continue
            if name in running:
                print(f"{name} ended {running[name].returncode}", flush=True)
                time.sleep(0.5)
            running[name] = subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, start_new_session=True)
            (run / f"{name}.pid").write_text(str(running[name].pid))
        time.sleep(0.1)
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
