"""CEL expressions over an event: compiled once, evaluated often, explained when they are wrong.

The syntax is that of Inngest's `key` and `if` (https://cel.dev); `event` is the triggering event
as {"name", "data", "id", "ts"}, `async` the event that is being waited for.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

from jobs.errors import InvalidExpression
from jobs.excerpts import excerpt
from jobs.secrets import mask

KEY_LIMIT = 200


def _library() -> Any:
    """The compiled part of the package `cel`. To import the package itself brings its command
    line along: 12 MiB in every process, and a third of a second before each starts."""
    package = find_spec("cel")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("common-expression-language is not installed.")
    finder = FileFinder(
        package.submodule_search_locations[0], (ExtensionFileLoader, EXTENSION_SUFFIXES)
    )
    spec = finder.find_spec("cel")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("The package cel has no compiled part for this Python.")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cel = _library()


@lru_cache(maxsize=1024)
def compiled(source: str) -> Any:
    """The program of an expression; raises InvalidExpression, with the column, if it has none."""
    try:
        return cel.compile(source)
    except ValueError as error:
        reason = str(error).split("ERROR: ", 1)[-1].replace("<input>:", "at ", 1)
        raise InvalidExpression(f"“{source}” cannot be parsed {reason}") from None


def evaluate(source: str, variables: dict[str, Any]) -> Any:
    """The value of an expression; raises InvalidExpression if it has none for these variables."""
    program = compiled(source)
    try:
        return program.execute(variables)
    except Exception as error:  # the library passes on whatever its functions raise
        raise InvalidExpression(f"“{source}” has no value here: {error}") from None


def holds(source: str, variables: dict[str, Any]) -> bool:
    """Whether a condition is met; one that has no value for these variables is not."""
    try:
        return evaluate(source, variables) is True
    except InvalidExpression:
        return False


def key_text(value: Any) -> str:
    """A key's value as the text that runs share: JSON, shortened by a digest when it is long."""
    text = mask(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str))
    if len(text) <= KEY_LIMIT:
        return text
    return f"{excerpt(text, 101)}{hashlib.sha256(text.encode()).hexdigest()}"
