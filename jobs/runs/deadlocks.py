"""Runs that wait for each other for ever: a run keeps its turns while it waits for a run that it
invoked, which may need one.

An unfinished run is stuck if
1. a run that it waits for (step.invoke) is stuck; or
2. a line still ahead is full, and all its holders are stuck.

The search takes a run and all that its end depends on, and removes free runs. Unread runs count as
stuck, beyond MAX_RUNS as free.

step.invoke refuses to close a circle (waits). When two transactions or a later turn close one, the
sweep fails an invoked run of it (turn_repair).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import models
from jobs.errors import InvalidStep
from jobs.lib.error_report import describe_as
from jobs.models import UNFINISHED, StepKind, StepStatus, in_sql
from jobs.platform.postgres import statements
from jobs.runs.line_locks import for_line
from jobs.runs.turns import HEADS

MAX_RUNS = 1_000  # per answer

HOLDERS = f"""
SELECT id FROM jobs_run
 WHERE turn_keys[%(column)s] = %(key)s AND turns_held > %(line)s
   AND status IN {in_sql(UNFINISHED)}
 LIMIT %(room)s
"""  # noqa: S608

# The first parked run of each line whose holders all wait for an invoked run or another line's
# turn. A run with branches shows its shortest wait, so only its last one makes it a suspect.
SUSPECTS = f"""
WITH RECURSIVE {HEADS}
SELECT head.id FROM heads head
 WHERE (SELECT 1 FROM jobs_run holder
         WHERE holder.turn_keys[%(column)s] = head.key AND holder.turns_held > %(line)s
           AND (holder.status = 'running'
                OR holder.status = 'waiting' AND holder.reason <> 'invoke')
         LIMIT 1) IS NULL
 LIMIT 100
"""  # noqa: S608


@dataclass(slots=True)
class Node:
    ahead: dict[str, int]  # line to pass: its limit
    held: int
    invoked: list[uuid.UUID] = field(default_factory=list)  # runs whose end it waits for


class Graph:
    def __init__(self) -> None:
        self._nodes: dict[uuid.UUID, Node] = {}
        self._holders: dict[tuple[str, int], list[uuid.UUID]] = {}  # by line and limit
        self._unread: set[uuid.UUID] = set()

    def stuck_with(self, run_id: uuid.UUID) -> set[uuid.UUID]:
        while run_id in (stuck := self._stuck()):
            if not self._unread:
                return stuck
            if len(self._nodes) + len(self._unread) > MAX_RUNS:
                return set()
            self._read()
        return set()

    def may_be_stuck(self, run_id: uuid.UUID) -> bool:
        return run_id in self._stuck()

    def add(self, run_id: uuid.UUID, node: Node) -> None:
        self._nodes[run_id] = node
        self._unread |= {child for child in node.invoked if child not in self._nodes}
        self._find_holders(node)

    def line_that_keeps(self, run_id: uuid.UUID, stuck: set[uuid.UUID]) -> str:
        for key, limit in self._nodes[run_id].ahead.items():
            if self._is_shut(key, limit, stuck):
                return key
        return ""

    def look_at(self, run_id: uuid.UUID) -> None:
        self._unread.add(run_id)

    def waits_for(self, run_id: uuid.UUID | None, child: uuid.UUID) -> bool:
        return run_id in self._nodes and child in self._nodes[run_id].invoked

    def _stuck(self) -> set[uuid.UUID]:
        stuck = set(self._nodes) | self._unread
        while free := {r for r in self._nodes.keys() & stuck if not self._is_stuck(r, stuck)}:
            stuck -= free
        return stuck

    def _is_stuck(self, run_id: uuid.UUID, stuck: set[uuid.UUID]) -> bool:
        node = self._nodes[run_id]
        if any(child in stuck for child in node.invoked):
            return True
        return any(self._is_shut(key, limit, stuck) for key, limit in node.ahead.items())

    def _is_shut(self, key: str, limit: int, stuck: set[uuid.UUID]) -> bool:
        holders = self._holders[key, limit]
        return len(holders) >= limit and all(holder in stuck for holder in holders)

    def _read(self) -> None:
        wanted, self._unread = self._unread - self._nodes.keys(), set()
        waits = _invoked_by(wanted)
        for run in models.Run.objects.unfinished().filter(id__in=wanted):
            self.add(run.id, node_of(run, waits.get(run.id, [])))

    def _find_holders(self, node: Node) -> None:
        for column, line in enumerate(node.ahead.items(), start=node.held):
            if line not in self._holders:
                self._holders[line] = _holders(*line, column)
                self._unread |= set(self._holders[line]) - self._nodes.keys()


def node_of(run: models.Run, invoked: Iterable[uuid.UUID] = ()) -> Node:
    lines = list(zip(run.turn_keys, run.turn_limits, strict=True))[run.turns_held :]
    return Node(ahead=dict(lines), held=run.turns_held, invoked=list(invoked))


def line_shut_by(child: models.Run, parent: uuid.UUID) -> str:
    """The line in which an invoked run would wait for ever; empty if none. Runs go on between
    reads, so a stuck answer is read again.
    """
    if not child.turn_keys:
        return ""
    return _line_shut_by(child, parent) and _line_shut_by(child, parent)


def _line_shut_by(child: models.Run, parent: uuid.UUID) -> str:
    graph = Graph()
    graph.add(child.id, node_of(child))
    if not graph.may_be_stuck(child.id):  # nearly always: its lines have room
        return ""
    running = models.Run.objects.get(id=parent)
    graph.add(parent, node_of(running, [*_invoked_by([parent]).get(parent, []), child.id]))
    stuck = graph.stuck_with(child.id)
    return graph.line_that_keeps(child.id, stuck) if stuck else ""


def victim_of(suspect: uuid.UUID) -> tuple[uuid.UUID, str] | None:
    """The youngest invoked run of the suspect's circle, and its line."""
    graph = Graph()
    graph.look_at(suspect)
    stuck = graph.stuck_with(suspect)
    invoked = models.Run.objects.filter(id__in=stuck, invoked_by__in=stuck)
    for run_id, parent in invoked.order_by("-created_at", "-id").values_list("id", "invoked_by"):
        key = graph.line_that_keeps(run_id, stuck)
        if key and graph.waits_for(parent, run_id):
            return run_id, key
    return None


def suspects() -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    for line in (0, 1):
        rows = statements.execute(for_line(SUSPECTS, line), {"line": line})
        found += [run_id for (run_id,) in rows]
    return found


def error_of(fn_id: str, key: str) -> dict[str, Any]:
    message = (
        f"A run of “{fn_id}” would wait for ever for its turn in the line {key}: all turns of it "
        "are held by runs that cannot end before it does. Invoke it with another key, or give the "
        "line a higher limit, or send an event and do not wait."
    )
    return describe_as(InvalidStep.__name__, message)


def _holders(key: str, limit: int, column: int) -> list[uuid.UUID]:
    values = {"key": key, "room": min(limit, MAX_RUNS + 1), "line": column}
    return [run_id for (run_id,) in statements.execute(for_line(HOLDERS, column), values)]


def _invoked_by(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Sequence[uuid.UUID]]:
    waiting = models.Step.objects.filter(
        run_id__in=list(run_ids), kind=StepKind.INVOKE, status=StepStatus.WAITING
    )
    found: dict[uuid.UUID, list[uuid.UUID]] = {}
    for run_id, detail in waiting.values_list("run_id", "detail"):
        if "run_id" in detail:
            found.setdefault(run_id, []).append(uuid.UUID(detail["run_id"]))
    return dict(found)
