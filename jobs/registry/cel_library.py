"""Loads the compiled part of the package `cel` alone: the package's command line costs each process
12 MiB, and a third of a second at the start. If its files are not the tested versions', the whole
package is imported, and `manage.py check` says so (`jobs.W023`).

What the library's errors say is read here alone.
"""

from __future__ import annotations

import importlib
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from typing import Any

from django.core.checks import CheckMessage, Warning

from jobs.lib.version_range import VersionRange

PACKAGE = "common-expression-language"
TESTED = VersionRange(
    PACKAGE,
    lambda: version(PACKAGE),
    first=(0, 10),
    behind=(0, 11),
    id="jobs.W028",
    otherwise=(
        "If its files are elsewhere, jobs.W023 says so. Functions of CEL may be taken for unknown, "
        "and errors of expressions be told in other words."
    ),
)


class OtherLayout(Exception):
    """The package's files are elsewhere than in tested versions."""


def compiled_part() -> Any:
    """Loadable once per process."""
    package = find_spec("cel")
    if package is None:
        raise ModuleNotFoundError("common-expression-language is not installed.")
    try:
        folder = (package.submodule_search_locations or [])[0]
        loaders = (ExtensionFileLoader, EXTENSION_SUFFIXES)
        return _loaded(FileFinder(folder, loaders).find_spec("cel"))
    except (AttributeError, ImportError, IndexError, OSError) as error:
        raise OtherLayout(f"{type(error).__name__}: {error}") from error


def _loaded(spec: Any) -> Any:
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def library() -> tuple[Any, str]:
    try:
        return compiled_part(), ""
    except OtherLayout as why:
        return importlib.import_module("cel"), str(why)


cel, WHY_WHOLE = library()


# --- the texts of its errors ----------------------------------------------------------------------


def place_and_reason(error: ValueError) -> str:
    """Of an expression that does not parse: “at 1:19: Syntax error: …”."""
    return str(error).split("ERROR: ", 1)[-1].replace("<input>:", "at ", 1)


def reason_in_short(error: Exception) -> str:
    """Without the library's advice."""
    return str(error).split(" Check ", 1)[0].split(" CEL does not coerce", 1)[0]


def is_of_unknown_name(error: Exception) -> bool:
    """Whether a variable is unknown, or a function, or a function for such values."""
    return str(error).startswith("Undefined variable or function")


def is_panic(error: BaseException) -> bool:
    """Whether the library met a defect of its own. Its class cannot be imported."""
    return type(error).__name__ == "PanicException"


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning (`jobs.W023`) for the whole package."""
    if not WHY_WHOLE:
        return []
    what = f"The whole package cel is imported, 12 MiB in every process: {WHY_WHOLE}."
    hint = "Install a tested version of common-expression-language (requirements.txt)."
    return [Warning(what, hint=hint, id="jobs.W023")]
