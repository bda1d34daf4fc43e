"""What statements return: how many bytes of values each of them has sent to this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection


@dataclass
class Received:
    """The bytes of each answer, in the order in which they were asked for, by its statement."""

    answers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.answers)

    @property
    def largest(self) -> int:
        return max(size for _, size in self.answers)

    def of(self, words: str) -> list[int]:
        """The answers to the statements in which these words stand."""
        return [size for statement, size in self.answers if words in statement]


@contextmanager
def received() -> Iterator[Received]:
    seen = Received()

    def weigh(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        seen.answers.append((" ".join(str(sql).split()), _weight(context["cursor"].cursor)))
        return result

    with connection.execute_wrapper(weigh):
        yield seen


def _weight(cursor: Any) -> int:
    answer = cursor.pgresult
    if answer is None:  # of several statements in one trip, which return next to nothing
        return 0
    places = ((row, n) for row in range(answer.ntuples) for n in range(answer.nfields))
    return sum(len(answer.get_value(*place) or b"") for place in places)
