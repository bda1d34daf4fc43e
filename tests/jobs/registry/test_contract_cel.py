"""What the engine leans on in the files of `cel` and in what its errors say. A release that changes
it fails here first; one that moves the files is imported whole where a site has it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from jobs.registry import cel_library
from jobs.registry.cel_library import cel

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


# --- what its errors say --------------------------------------------------------------------------


def error_of(source: str, variables: dict[str, Any] | None = None) -> Exception:
    with pytest.raises(Exception) as caught:
        cel.compile(source).execute(variables or {})
    return caught.value


PARSED = {
    "event.data.n ==": "at 1:16: Syntax error: mismatched input",
    "1 == 1 &&\n a b": "at 2:4: Syntax error: extraneous input",
}


@pytest.mark.parametrize(("source", "said"), PARSED.items())
def test_what_cannot_be_parsed_is_a_value_error_with_its_place(source, said):
    error = error_of(source)
    assert type(error) is ValueError
    assert cel_library.place_and_reason(error).startswith(said)


SHORT = {
    "nope": "Undefined variable or function: 'nope'.",
    "event.n > 'x'": (
        "No such overload: the operation is not defined for the given operand types."
    ),
    "duration('x')": "Function 'duration' error: Parsing Error",
    "1 / 0": "division by zero in CEL expression",
}


@pytest.mark.parametrize(("source", "said"), SHORT.items())
def test_what_an_error_advises_is_left_out(source, said):
    short = cel_library.reason_in_short(error_of(source, {"event": {"n": 1}}))
    assert short.startswith(said)
    assert not any(advice in short for advice in ("Check ", "coerce", "Convert"))


@pytest.mark.parametrize("source", ["nope", "nope(1)", "1.nope()", "size(1)"])
def test_an_unknown_name_is_told_from_any_other_error(source):
    assert cel_library.is_of_unknown_name(error_of(source))


@pytest.mark.parametrize("source", ["1 + 'a'", "event.m", "[1][5]", "int('x')", "1 / 0"])
def test_any_other_error_is_of_no_unknown_name(source):
    assert not cel_library.is_of_unknown_name(error_of(source, {"event": {"n": 1}}))


def test_a_field_and_a_place_that_are_absent_are_lookup_errors():
    assert isinstance(error_of("event.m", {"event": {}}), LookupError)
    assert isinstance(error_of("[1][5]"), LookupError)


def test_a_panic_is_no_exception_and_known_by_the_name_of_its_class():
    """Of PyO3, with which the compiled part is built."""
    assert b"PanicException" in Path(cel.__file__).read_bytes()
    assert cel_library.is_panic(type("PanicException", (BaseException,), {})())
    assert not cel_library.is_panic(KeyboardInterrupt())


TEXTS = re.compile(r"ERROR: |<input>|Undefined variable|CEL does not coerce|PanicException")


def test_texts_of_its_errors_are_read_in_one_file():
    folder = Path(cel_library.__file__).parent
    found = {path.name for path in folder.glob("*.py") if TEXTS.search(path.read_text())}
    assert found == {"cel_library.py"}
