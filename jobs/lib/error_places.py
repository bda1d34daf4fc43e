from __future__ import annotations

import os
import re
import sysconfig

from jobs.lib.error_report import HERE

FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+)', re.MULTILINE)
PACKAGES = ("site-packages", "dist-packages")
PYTHON = os.path.join(sysconfig.get_paths()["stdlib"], "")


def author_place(stack: str) -> str:
    """“shop/functions.py:12”: the last frame outside the engine, installed packages and Python, or
    empty.
    """
    own = [(file, line) for file, line in FRAME.findall(stack) if _is_an_authors(file)]
    if not own:
        return ""
    file, line = own[-1]
    return f"{file.removeprefix(os.path.join(os.getcwd(), ''))}:{line}"


def _is_an_authors(file: str) -> bool:
    is_foreign = any(name in file for name in PACKAGES) or file.startswith((PYTHON, "<"))
    return not is_foreign and not file.startswith(os.path.join(HERE, ""))
