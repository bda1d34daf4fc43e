"""Objects of known names: dataclasses, TypedDicts, pydantic's models. Other names are let pass: an
event may carry more than one function needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import ENCODER
from jobs.lib.shapes.shape import MISSING, Misfit, Shape, below

# A model with such an option takes names that its schema does not tell.
BY_OTHER_NAMES = ("populate_by_name", "validate_by_name")


@dataclass(frozen=True, slots=True)
class Field:
    shape: Shape
    is_required: bool
    default: Any = MISSING  # as JSON, for the schema


class Record(Shape):
    """`fields` are filled in later: a type may hold itself."""

    is_object = True

    def __init__(self, name: str, make: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
        self.name, self._make = name, make
        self.words = f"an object ({name})"
        self.fields: dict[str, Field] = {}
        self._is_written = False

    def read(self, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise Misfit(path, value, self.words)
        found = {}
        for name, field in self.fields.items():
            if name in value:
                found[name] = field.shape.read(value[name], below(path, name))
            elif field.is_required:
                raise Misfit(below(path, name), MISSING, field.shape.words)
        try:
            return self._make(found, value)
        except Exception as error:  # the author's own check
            raise Misfit(path, value, f"what {self.name} takes ({excerpt(str(error))})") from error

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict)

    def parts(self) -> Mapping[str, Shape]:
        return {name: field.shape for name, field in self.fields.items()}

    def schema(self) -> dict[str, Any]:
        if self._is_written:  # it holds itself
            return {"type": "object", "title": self.name}
        self._is_written = True
        try:
            properties = {name: _schema(field) for name, field in self.fields.items()}
        finally:
            self._is_written = False
        required = [name for name, field in self.fields.items() if field.is_required]
        told = {"title": self.name, "type": "object", "properties": properties}
        return told | ({"required": required} if required else {})


def _schema(field: Field) -> dict[str, Any]:
    default = {} if field.default is MISSING else {"default": field.default}
    return field.shape.schema() | default


class Model(Shape):
    """A class that reads and describes itself, as pydantic's do."""

    is_object = True

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.words = f"an object ({kind.__name__})"

    def read(self, value: Any, path: str) -> Any:
        try:
            return self._kind.model_validate_json(ENCODER.encode(value))
        except Exception as error:
            raise _misfit(error, value, path, self.words) from error

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict)

    def parts(self) -> Mapping[str, Shape] | None:
        config = getattr(self._kind, "model_config", {})
        if any(config.get(option) for option in BY_OTHER_NAMES):
            return None
        told = self.schema()
        return Described(told, told.get("$defs", {})).parts()

    def schema(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = self._kind.model_json_schema()
            return told
        except Exception:  # some validators cannot be told in a schema
            return {"title": self._kind.__name__}


class Described(Shape):
    """What a model's schema says of its parts."""

    def __init__(self, schema: dict[str, Any], definitions: dict[str, Any]) -> None:
        named = str(schema.get("$ref", "")).rpartition("/")[2]
        self._schema = definitions.get(named, {}) if named else schema
        self._definitions = definitions
        self.words = str(self._schema.get("title", "an object"))

    def parts(self) -> Mapping[str, Shape] | None:
        told = self._schema.get("properties")
        if told is None or self._schema.get("additionalProperties"):
            return None
        return {name: Described(part, self._definitions) for name, part in told.items()}


def _misfit(error: Exception, value: Any, path: str, words: str) -> Misfit:
    try:
        first: dict[str, Any] = error.errors()[0]  # type: ignore[attr-defined]
        for step in first["loc"]:
            path = f"{path}[{step}]" if isinstance(step, int) else below(path, str(step))
        if first["type"] == "missing":
            return Misfit(path, MISSING, "a value")
        return Misfit(path, first["input"], f"{words}: {excerpt(first['msg'])}")
    except Exception:
        return Misfit(path, value, f"what {words} takes ({excerpt(str(error))})")
