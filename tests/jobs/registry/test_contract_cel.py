"""What the engine leans on in the files of `cel`. A release that moves them fails here first, and
is imported whole where a site has it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.core.checks import run_checks

from jobs.registry import cel_library

pytestmark = pytest.mark.processes

# A process can load the compiled part once.
LOOK = """
import sys
from importlib import util
from importlib.machinery import ModuleSpec
nowhere, elsewhere = ModuleSpec("cel", None), ModuleSpec("cel", None, is_package=True)
elsewhere.submodule_search_locations = ["/no/such/folder"]
layout = {layout}
if layout is not None:
    util.find_spec = lambda name: layout
from jobs.registry.cel_library import WHY_WHOLE, cel
rest = any(name.startswith("cel.") for name in sys.modules)
value = cel.compile("event.data.user + '!'").execute({{"event": {{"data": {{"user": "ann"}}}}}})
print(bool(WHY_WHOLE), rest, value)
"""


def seen(layout: str) -> str:
    """Whether the whole package was imported and why, and what an expression is worth then."""
    asked = [sys.executable, "-c", LOOK.format(layout=layout)]
    told = subprocess.run(asked, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


def warnings() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "jobs.W023"]


def test_the_installed_package_has_its_compiled_part_where_it_is_looked_for():
    assert cel_library.TESTED.untested() == ""
    assert cel_library.WHY_WHOLE == ""
    assert warnings() == []
    assert seen("None") == "False False ann!"


@pytest.mark.parametrize("layout", ["nowhere", "elsewhere"])
def test_a_package_with_another_layout_is_imported_whole(layout):
    assert seen(layout) == "True True ann!"


def test_the_check_says_that_the_whole_package_is_imported(monkeypatch):
    monkeypatch.setattr(cel_library, "WHY_WHOLE", "IndexError: list index out of range")
    (said,) = warnings()
    assert said.startswith("The whole package cel is imported, 12 MiB in every process: IndexError")
