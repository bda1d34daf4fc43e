"""A lease is released in one way: each statement that ends one is built by `jobs.runs.lease`, or by
`jobs.fetch.lease` for a request.

So whatever a release has to do, it does wherever a lease ends.
"""

from __future__ import annotations

import re
from pathlib import Path

import jobs

ENGINE = Path(jobs.__file__).parent
LEASES = {"runs/lease.py", "fetch/lease.py"}
RELEASE = re.compile(r"""lease_(token|until)["']?\s*[=:]\s*(NULL|None)\b""")


def test_no_other_module_of_the_engine_ends_a_lease() -> None:
    found = {
        path.relative_to(ENGINE).as_posix()
        for path in ENGINE.rglob("*.py")
        if RELEASE.search(path.read_text())
    }
    assert found == LEASES
