from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.lib.excerpts import quoted

MISSING = object()


class Unsupported(TypeError):
    """A type that no JSON can be read as. The message ends a sentence: “int | set: …”."""


class Misfit(ValueError):
    def __init__(self, path: str, given: Any, allowed: str) -> None:
        self.path = path
        said = "is missing" if given is MISSING else f"is {quoted(given)}"
        super().__init__(f"{path} {said}; {allowed} is allowed")


class Shape:
    """JSON of one kind, as an author's type."""

    words = "any value"  # for “… is allowed”
    is_object = False  # whether it takes objects alone

    def read(self, value: Any, path: str) -> Any:
        """The value in the author's type. Raises Misfit."""
        return value

    def takes(self, value: Any) -> bool:
        """Whether it is a union's nearest shape for the value."""
        return False

    def parts(self) -> Mapping[str, Shape] | None:
        """The shapes by name; None if any name may be there."""
        return None

    def schema(self) -> dict[str, Any]:
        """Its JSON schema (draft 2020-12), as pydantic's."""
        return {}


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{quoted(name)}]"
