"""`python -m tests.nginx [what pytest takes]`: deploy/nginx.conf with Debian's nginx, before the
real gunicorn. What is missing is said in a line, and is a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.nginx.server import program

TESTS = Path(__file__).with_name("through_nginx.py")
MISSING = "This machine has no nginx (Debian: nginx-light), and it could not be installed."


def main(arguments: list[str]) -> int:
    if program() is None:
        print(f"\nNOTE: NOT TESTED: deploy/nginx.conf. {MISSING}", flush=True)
        return 1 if os.environ.get("CI") else 0
    return subprocess.run([sys.executable, "-m", "pytest", *arguments, str(TESTS)]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
