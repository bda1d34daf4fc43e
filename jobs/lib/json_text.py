"""Typed JSON, in the panel or at a command: errors tell their place."""

from __future__ import annotations

import json
from typing import Any

from jobs.lib.excerpts import excerpt


class NotJson(ValueError):
    """The message is a sentence; `line` and `column` count from 1, 0 without a place."""

    def __init__(self, sentence: str, line: int = 0, column: int = 0) -> None:
        super().__init__(sentence)
        self.line, self.column = line, column


def parse(text: str) -> Any:
    """Raises NotJson, also for a name twice in one object."""
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        sentence = f"This is not JSON: {error.msg}, in {place}."
        raise NotJson(sentence, error.lineno, error.colno) from None
    except RecursionError:
        raise NotJson("This is nested too deep to be taken.") from None
    except NotJson:
        raise
    except ValueError:
        raise NotJson("A number in it has too many digits to be taken.") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in pairs:
        if name in data:
            raise NotJson(f"“{excerpt(name, 80)}” stands twice in one object; leave one of them.")
        data[name] = value
    return data
