"""Long lists by windows: `read` returns rows and the `Window` that says which they are.

A run's page shows the latest steps and log lines; links lead to the earlier ones. An address names
the row that ends its window, counted from 1, so a run that goes on does not move what it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Model, QuerySet, Subquery
from django.http import HttpRequest

from jobs.lib.excerpts import quoted

Row = TypeVar("Row", bound=Model)
MAX_DIGITS = 9  # digits of a number that is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows `first` to `last` of `total`, counted from 1; all are 0 without rows."""

    first: int
    last: int
    total: int
    most: int

    @property
    def from_start(self) -> bool:
        return self.first <= 1

    @property
    def is_latest(self) -> bool:
        return self.last == self.total

    @property
    def earlier(self) -> int | None:
        """The row that ends the window before this one."""
        return None if self.from_start else max(self.first - 1, min(self.most, self.total))

    @property
    def later(self) -> int | None:
        """The row that ends the window after this one."""
        return None if self.is_latest else min(self.last + self.most, self.total)

    @property
    def words(self) -> str:
        return f"{self.first:,}–{self.last:,} of {self.total:,}"

    @property
    def others(self) -> int:
        """How many rows it does not show."""
        return self.total - (self.last - self.first + 1) if self.total else 0


NOTHING = Window(first=0, last=0, total=0, most=0)


def read(
    rows: QuerySet[Row],
    most: int,
    ends_with: int | None = None,
    chosen: Callable[[QuerySet[Row]], QuerySet[Row]] = lambda rows: rows,
) -> tuple[list[Row], Window]:
    """At most `most` of a run's ordered `rows`: the latest, or those up to row number `ends_with`.
    `chosen` may add to the query of these. One query; a second if there is no such row."""
    if ends_with is None:
        begins, part = None, rows.reverse()[:most]
    else:
        begins = max(ends_with - most, 0)
        part = rows[begins : max(ends_with, 1)]
    all_of_them = rows.order_by().values("run").values(total=Count("*"))
    counted: Any = rows.filter(pk__in=part.values("pk")).annotate(total=Subquery(all_of_them))
    found: list[Any] = list(chosen(counted))
    if not found and ends_with is not None:
        return read(rows, most, None, chosen)
    total = found[0].total if found else 0
    first = total - len(found) if begins is None else begins
    last = first + len(found)
    return found, Window(first=min(first + 1, last), last=last, total=total, most=most)


def asked(request: HttpRequest, name: str, problems: dict[str, str]) -> int | None:
    """The row that the address names, or None. What is no number becomes a sentence."""
    text = request.GET.get(name, "")
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    if text:
        sentence = f"{quoted(text, 40)} is no number of one of the {name}: the latest are shown."
        problems[name] = sentence
    return None
