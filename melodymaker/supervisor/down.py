"""`make stop` and `make clean` run this module.

It does not use Django: a checkout with broken settings or packages must still stop.
"""

from __future__ import annotations

import sys
from pathlib import Path

from melodymaker import embedded
from melodymaker.supervisor import InstanceLock


def down(base: Path, *, forget: bool) -> str:
    """Stop the checkout's supervisor and its database. Returns what was done, in a sentence."""
    ran = InstanceLock(base).withdraw()
    served = embedded.stop(base)
    said = "Stopped." if ran or served else "Nothing runs in this checkout."
    if forget and embedded.forget(base):
        said += " The database and its data are deleted."
    return said


if __name__ == "__main__":
    try:
        print(down(Path.cwd(), forget="--forget" in sys.argv))
    except embedded.DatabaseUnavailable as problem:
        sys.exit(str(problem))
