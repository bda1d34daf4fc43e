"""The peers' own environment, `.local/bench/peers`, made anew when what it must hold has changed.

Python's packages are in requirements-bench.txt, npm's (Restate's server) in package.json.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import LOCAL, PEERS_PYTHON
from benchmarks.processes import ROOT, run

REQUIREMENTS = ROOT / "benchmarks" / "requirements-bench.txt"
PACKAGES = ROOT / "benchmarks" / "package.json"
FOLDER = LOCAL / "peers"
INSTALLED_HERE = {"dbos", "restate"}
NO_NPM = (
    "Restate is left out: its server is a package of npm's, and there is no npm here. Install it "
    "(on Debian and Ubuntu: apt-get install npm)."
)


def install(wanted: Sequence[str], log: Path) -> list[str]:
    """Those of the wanted that can play; it is said which cannot."""
    playing = list(wanted)
    if "restate" in playing and shutil.which("npm") is None:
        print(f"\n*** {NO_NPM}\n", file=sys.stderr, flush=True)
        playing.remove("restate")
    if INSTALLED_HERE & set(playing):
        install_python(log)
    if "restate" in playing:
        install_npm()
    return playing


def install_python(log: Path) -> None:
    if is_installed(REQUIREMENTS):
        return
    say("Python's")
    run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], {}, log)
    pip = [PEERS_PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    note(REQUIREMENTS)


def install_npm() -> None:
    if is_installed(PACKAGES):
        return
    say("npm's")
    FOLDER.mkdir(parents=True, exist_ok=True)
    note(PACKAGES)
    try:
        npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*npm, "--prefix", str(FOLDER)], check=True, stdout=subprocess.DEVNULL)
    except BaseException:
        (FOLDER / PACKAGES.name).unlink()
        raise


def is_installed(list_: Path) -> bool:
    """Whether the copy that is made after an installation is as the list is now."""
    copy = FOLDER / list_.name
    return copy.exists() and copy.read_text() == list_.read_text()


def note(list_: Path) -> None:
    (FOLDER / list_.name).write_text(list_.read_text())


def say(whose: str) -> None:
    print(f"Installing {whose} peers into .local/bench/peers …", file=sys.stderr, flush=True)
