"""What statements read: each is explained where it is sent, with the values it is sent with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass
class Explained:
    """Pages that each statement touched at most, and the nodes of that plan."""

    pages: dict[str, int] = field(default_factory=dict)
    plans: dict[str, list[str]] = field(default_factory=dict)

    def see(self, statement: str, plan: dict[str, Any]) -> None:
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        if pages >= self.pages.get(statement, 0):
            self.pages[statement] = pages
            self.plans[statement] = list(_nodes(plan))

    def scanned(self, statement: str, tables: tuple[str, ...]) -> bool:
        """Whether it read one of the tables without an index."""
        scans = tuple(f"Seq Scan {table} " for table in tables)
        return any(node.strip().startswith(scans) for node in self.plans[statement])

    def story(self, statement: str) -> str:
        plan = "\n    ".join(self.plans[statement])
        return f"{self.pages[statement]} pages: {statement}\n    {plan}"


def _nodes(plan: dict[str, Any], depth: int = 0) -> Iterator[str]:
    where = plan.get("Index Name") or plan.get("Relation Name") or ""
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    loops = plan["Actual Loops"]
    yield f"{'  ' * depth}{plan['Node Type']} {where} ({pages} pages, {loops} loops)"
    for child in plan.get("Plans", []):
        yield from _nodes(child, depth + 1)


@contextmanager
def explained() -> Iterator[Explained]:
    """Explain every statement of a block, which is inside a transaction."""
    seen = Explained()

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if not many and sql.lstrip().upper().startswith(EXPLAINED):
            # EXPLAIN ANALYZE does what it explains, so it is undone before it is done.
            with connection.connection.cursor() as cursor:
                cursor.execute("SAVEPOINT explained")
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                seen.see(" ".join(sql.split()), cursor.fetchone()[0][0]["Plan"])
                cursor.execute("ROLLBACK TO explained")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield seen
