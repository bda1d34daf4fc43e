"""What all shapes have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.lib.excerpts import quoted

MISSING = object()


class Unsupported(TypeError):
    """A type that no JSON can be read as. The message ends a sentence: “int | set: …”."""


class Misfit(ValueError):
    """A value that does not fit: where, what was given, what is allowed."""

    def __init__(self, path: str, given: Any, allowed: str) -> None:
        self.path = path
        said = "is missing" if given is MISSING else f"is {quoted(given)}"
        super().__init__(f"{path} {said}; {allowed} is allowed")


class Shape:
    """JSON of one kind, as an author's type."""

    words = "any value"  # for “… is allowed”
    is_object = False  # whether it takes objects alone

    def read(self, value: Any, path: str) -> Any:
        """The value in the author's type; `path` names it. Raises Misfit."""
        return value

    def takes(self, value: Any) -> bool:
        """Whether this is the nearest shape of a union for the value."""
        return False

    def parts(self) -> Mapping[str, Shape] | None:
        """The shapes below the names that it has; None if any name may be there."""
        return None

    def schema(self) -> dict[str, Any]:
        """Its JSON schema (draft 2020-12), as pydantic would write it."""
        return {}


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{quoted(name)}]"
