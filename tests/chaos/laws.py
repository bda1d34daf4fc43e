"""The engine's laws, asked of what is in the tables and of what the endpoint was asked.

Each question returns a sentence for each time that its law was broken.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from django.db.models import QuerySet

from jobs.models import Attempt, AttemptStatus, Fetch, Run, RunStatus
from tests.chaos.app.models import Counter as LineCounter
from tests.chaos.app.models import Effect
from tests.chaos.endpoint import Call
from tests.chaos.orders import (
    AT_LEAST_ONCE,
    EFFECTS,
    FAILING,
    POISON,
    POISON_ATTEMPTS,
    STRANGER,
    OrderBook,
)
from tests.chaos.storm import Storm

PLANNED_ERRORS = {
    "chaos-nap": "tests.chaos.app.functions.Hiccup",
    "chaos-doomed": "jobs.errors.NonRetriableError",
}
BUSY = " answered 503: "
VANISHED = re.compile(r"The worker process (\d+) vanished")


def runs() -> QuerySet[Run]:
    return Run.objects.filter(fn_id__startswith="chaos-")


@dataclass(frozen=True)
class Evidence:
    book: OrderBook
    storm: Storm
    calls: list[Call]


def each_event_started_its_runs_once(seen: Evidence) -> Iterator[str]:
    found = Counter(runs().values_list("fn_id", flat=True))
    expected = seen.book.expected()
    for fn_id in sorted(found | expected):
        if found[fn_id] != expected[fn_id]:
            yield f"{fn_id}: {found[fn_id]} runs, {expected[fn_id]} expected"


def nothing_is_lost(seen: Evidence) -> Iterator[str]:
    for run in runs().exclude(fn_id=STRANGER):
        due = RunStatus.FAILED if run.fn_id in FAILING else RunStatus.COMPLETED
        if run.status != due:
            yield f"{run} is {run.status} ({run.reason or 'no reason'}), not {due}: {run.error}"
    held = runs().exclude(lease_token=None).count()
    if held:
        yield f"{held} leases are left over"
    in_flight = Fetch.objects.filter(run__in=runs(), status__in=["pending", "sending"]).count()
    if in_flight:
        yield f"{in_flight} requests are left over"


def every_effect_is_there_exactly_once(seen: Evidence) -> Iterator[str]:
    effects: dict[object, Counter[str]] = defaultdict(Counter)
    for run_id, step in Effect.objects.values_list("run_id", "step"):
        effects[run_id][step] += 1
    for run in runs().exclude(fn_id=STRANGER):
        left = effects.pop(run.id, Counter())
        for step in sorted({*EFFECTS[run.fn_id], *left}):
            least = 1 if step in EFFECTS[run.fn_id] else 0
            is_loose = (run.fn_id, step) in AT_LEAST_ONCE
            if left[step] < least or (left[step] > least and not is_loose):
                yield f"{run}: step “{step}” has left {left[step]} effects"
    for run_id in effects:
        yield f"effects of run {run_id}, which does not exist"


def counters_agree(seen: Evidence) -> Iterator[str]:
    counted = {c.line: c.count for c in LineCounter.objects.all()}
    rows = Counter(Effect.objects.filter(is_counted=True).values_list("line", flat=True))
    for line in sorted({*counted, *rows}):
        if counted.get(line, 0) != rows[line]:
            yield f"{line}: counted {counted.get(line, 0)} times, {rows[line]} effects"


def turns_never_overlap(seen: Evidence) -> Iterator[str]:
    """By the engine's own times, and by the order in which effects were left."""
    lines: dict[str, list[Run]] = defaultdict(list)
    for run in runs().exclude(turn_keys=[]).exclude(started_at=None).order_by("started_at"):
        lines[run.turn_keys[0]].append(run)
    for key, queue in lines.items():
        for one, other in pairwise(queue):
            if one.ended_at is None or one.ended_at > other.started_at:
                yield f"{key}: {one.id} had not ended when {other.id} began"
    yield from _interleaved_effects(set(lines))


def _interleaved_effects(keys: set[str]) -> Iterator[str]:
    turn_of = {r.id: r.turn_keys[0] for r in runs().exclude(turn_keys=[])}
    done: dict[str, list[object]] = defaultdict(list)
    for run_id in Effect.objects.order_by("monotonic").values_list("run_id", flat=True):
        order = done[turn_of[run_id]] if run_id in turn_of else []
        if run_id in order[:-1]:
            yield f"{turn_of[run_id]}: run {run_id} went on while another had the turn"
        if run_id not in order:
            order.append(run_id)


def calls_are_repeated_only_for_a_reason(seen: Evidence) -> Iterator[str]:
    by_key: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(seen.calls, key=lambda call: call.began):
        by_key[call.key].append(call)
    for key, calls in by_key.items():
        for one, other in pairwise(calls):
            if not _may_repeat(one, other, seen.storm):
                yield (
                    f"{key} was asked again {other.began - one.began:.2f} s later, for no reason; "
                    f"before that: {seen.storm.last_before(other.began)}"
                )


def _may_repeat(one: Call, other: Call, storm: Storm) -> bool:
    was_busy = one.status == 503 and one.ended is not None and one.ended <= other.began
    return was_busy or storm.explains(one.began, other.began)


def extra_calls(calls: list[Call]) -> int:
    """Requests beyond one for each key and one for each 503."""
    keys = {call.key for call in calls}
    return len(calls) - len(keys) - sum(call.status == 503 for call in calls)


def every_error_is_explained(seen: Evidence) -> Iterator[str]:
    victims = {blow.pid for blow in seen.storm.blows if blow.kind == "worker"}
    errors = Attempt.objects.filter(run__in=runs(), status=AttemptStatus.ERROR)
    for attempt in errors.select_related("run"):
        if not _is_explained(attempt, victims):
            where = attempt.step_name or "the function"
            yield (
                f"{attempt.run}: {where}: {attempt.error_class}: "
                f"{attempt.error_message[:200]}\n{attempt.traceback[-600:]}"
            )


def _is_explained(attempt: Attempt, victims: set[int]) -> bool:
    fn_id = attempt.run.fn_id
    if attempt.error_class == "jobs.errors.WorkerLost":
        vanished = VANISHED.match(attempt.error_message)
        return fn_id in POISON or vanished is None or int(vanished[1]) in victims
    if attempt.error_class == "jobs.errors.FetchError":
        return BUSY in attempt.error_message
    return attempt.error_class == PLANNED_ERRORS.get(fn_id)


def poison_ends_after_its_attempts(seen: Evidence) -> Iterator[str]:
    for run in runs().filter(fn_id__in=POISON):
        deaths = run.attempts.filter(error_class="jobs.errors.WorkerLost").count()
        if deaths != POISON_ATTEMPTS:
            yield f"{run}: {deaths} lost workers, {POISON_ATTEMPTS} expected"


def strangers_wait_visibly(seen: Evidence) -> Iterator[str]:
    for run in runs().filter(fn_id=STRANGER):
        if (run.status, run.reason) != (RunStatus.QUEUED, "function"):
            yield f"{run} is {run.status} ({run.reason or 'no reason'})"


LAWS = {
    "events without exactly their runs": each_event_started_its_runs_once,
    "lost or unfinished": nothing_is_lost,
    "effects twice or never": every_effect_is_there_exactly_once,
    "counters that disagree": counters_agree,
    "overlapping turns": turns_never_overlap,
    "endpoint calls without a reason": calls_are_repeated_only_for_a_reason,
    "errors without an explanation": every_error_is_explained,
    "poison that did not end": poison_ends_after_its_attempts,
    "strangers that do not wait": strangers_wait_visibly,
}
