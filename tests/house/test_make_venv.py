"""`make setup` says in one line what is missing on a machine, with the command that installs it."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / ".ci" / "make-venv"

# Stand-ins for interpreters that this machine does not have; they answer the three questions of the script.
TOO_OLD = """case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac"""
WITHOUT_VENV = """case "$2" in *print*) echo 3.12 ;; *ensurepip*) exit 1 ;; esac"""


@pytest.fixture
def make_venv(tmp_path):
    """Run the script on a machine whose interpreters are `pythons` (name to shell script); its one line."""

    def run(chosen="", **pythons):
        folder = tmp_path / "bin"
        folder.mkdir()
        for tool in ("sh", "id", "basename"):
            (folder / tool).symlink_to(f"/usr/bin/{tool}")
        for name, script in {**pythons, "apt-get": "exit 1"}.items():
            program = folder / name.replace("_", ".")
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        environment = {"PATH": str(folder), "HOME": str(tmp_path), "PYTHON": chosen}
        done = subprocess.run(
            ["/bin/sh", str(SCRIPT), str(tmp_path / "venv")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1 and not (tmp_path / "venv").exists()
        assert done.stdout == "" and done.stderr.count("\n") == 1
        return done.stderr.strip().replace("sudo ", "")

    return run


def test_no_python_at_all(make_venv):
    said = make_venv()
    assert said == ("missing: Python 3.11 or later; install it with: apt-get install -y python3 python3-venv")


def test_a_python_that_is_too_old(make_venv):
    said = make_venv(python3=TOO_OLD)
    assert said == (
        "missing: Python 3.11 or later (python3 is 3.9); install it with: apt-get install -y python3.11 python3.11-venv"
    )


def test_the_usual_python_without_venv(make_venv):
    said = make_venv(python3=WITHOUT_VENV)
    assert said == "missing: python3-venv; install it with: apt-get install -y python3-venv"


def test_a_numbered_python_without_venv(make_venv):
    said = make_venv(python3_12=WITHOUT_VENV)
    assert said == "missing: python3.12-venv; install it with: apt-get install -y python3.12-venv"


def test_a_chosen_python_that_is_not_there(make_venv):
    said = make_venv(chosen="python3.99", python3=WITHOUT_VENV)
    assert said.startswith("missing: python3.99 (PYTHON names it); install it with: ")
