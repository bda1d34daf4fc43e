"""Lists, objects of any names, and unions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.lib.shapes.scalars import Nothing, key_of
from jobs.lib.shapes.shape import Misfit, Shape, below


class Items(Shape):
    words = "a list"

    def __init__(self, item: Shape, make: Callable[[list[Any]], Any] = list) -> None:
        self._item, self._make = item, make

    def read(self, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise Misfit(path, value, self.words)
        return self._make([self._item.read(v, f"{path}[{n}]") for n, v in enumerate(value)])

    def takes(self, value: Any) -> bool:
        return isinstance(value, list)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self._item.schema()}


class Row(Shape):
    """A fixed length: a tuple, a NamedTuple."""

    def __init__(self, items: Sequence[Shape], make: Callable[[list[Any]], Any] = tuple) -> None:
        self._items, self._make = items, make
        self.words = f"a list of {len(items)}"

    def read(self, value: Any, path: str) -> Any:
        if not isinstance(value, list) or len(value) != len(self._items):
            raise Misfit(path, value, self.words)
        pairs = enumerate(zip(self._items, value, strict=True))
        return self._make([item.read(v, f"{path}[{n}]") for n, (item, v) in pairs])

    def takes(self, value: Any) -> bool:
        return isinstance(value, list)

    def schema(self) -> dict[str, Any]:
        count = len(self._items)
        kinds = [item.schema() for item in self._items]
        return {"type": "array", "prefixItems": kinds, "minItems": count, "maxItems": count}


class Table(Shape):
    words = "an object"
    is_object = True

    def __init__(self, name: Shape, item: Shape) -> None:
        self._name, self._item = name, item

    def read(self, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise Misfit(path, value, self.words)
        read: dict[Any, Any] = {}
        for name, item in value.items():
            at = below(path, name)
            read[key_of(self._name, name, f"the name of {at}")] = self._item.read(item, at)
        return read

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict)

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self._item.schema()}


class Union(Shape):
    """The nearest of several that fits."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self.words = " or ".join(shape.words for shape in shapes)
        self.is_object = all(shape.is_object for shape in shapes)

    def read(self, value: Any, path: str) -> Any:
        misfits = []
        for shape in sorted(self._shapes, key=lambda shape: not shape.takes(value)):
            try:
                return shape.read(value, path)
            except Misfit as misfit:
                misfits.append(misfit)
        deepest = max(misfits, key=lambda misfit: len(misfit.path))
        raise deepest if len(deepest.path) > len(path) else Misfit(path, value, self.words)

    def takes(self, value: Any) -> bool:
        return any(shape.takes(value) for shape in self._shapes)

    def parts(self) -> Mapping[str, Shape] | None:
        """Those of all its records, if the rest is null."""
        found: dict[str, Shape] = {}
        for parts in (shape.parts() for shape in self._shapes if not isinstance(shape, Nothing)):
            if parts is None:
                return None
            found |= parts
        return found

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [shape.schema() for shape in self._shapes]}
