"""What a bulk retry knows of the kinds among its runs: what a retry cannot help is said before it
is pressed, with what helps instead. So are runs that can only be rerun from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.http import QueryDict

from jobs import api
from jobs.admin.deeds import Deed
from jobs.admin.run_transitions import RESTART
from jobs.control.retries import RETRYABLE, not_resumable
from jobs.lib.failure_kinds import UNTOLD
from jobs.metrics.acts import Act, Advice, advice_for
from jobs.models import Run

RERUN, LEAVE_OUT = "rerun_from", "leave_out"  # fields of the form; their values are kinds
ANEW = "restart"  # … and “yes”, if runs that do not go on are rerun from the start
MOST_KINDS = 30


@dataclass(frozen=True, slots=True)
class KindLine:
    """Of one kind: how many runs, and what would become of them."""

    kind: str
    runs: int
    advice: Advice

    @property
    def label(self) -> str:
        return self.kind or UNTOLD

    @property
    def is_remembered(self) -> bool:
        """A retry would meet the same remembered answer."""
        return self.advice.act == Act.RERUN_FROM

    @property
    def is_gone(self) -> bool:
        return self.advice.act == Act.LEAVE_OUT


def lines(runs: Sequence[Run]) -> list[KindLine]:
    """The largest kind first. One query."""
    counts = Counter(run.failure_kind for run in runs)
    advice = _advice(runs)
    return [
        KindLine(kind, number, advice[kind])
        for kind, number in counts.most_common()
        if kind in advice
    ]


def deeds(runs: Sequence[Run], form: QueryDict, usual: Deed) -> list[tuple[Run, Deed]]:
    """Each run with what the form says is done to its kind; those that it leaves out are not
    there. From which step a kind begins is found anew, not taken from the form."""
    anew = only_anew(runs)
    runs = [run for run in _invoked_first(runs) if run not in anew]
    rerun, left_out = set(form.getlist(RERUN)), set(form.getlist(LEAVE_OUT))
    advice = _advice([run for run in runs if run.failure_kind in rerun]) if rerun else {}
    restarted = [(run, RESTART) for run in anew if form.get(ANEW) == "yes"]
    return restarted + [
        (run, _deed(run.failure_kind, advice, usual))
        for run in runs
        if run.failure_kind not in left_out
    ]


def _invoked_first(runs: Sequence[Run]) -> list[Run]:
    """A retry of an invoker would take an invoked run along, whose own retry was then refused."""
    invoked = [run for run in runs if run.invoked_by_id is not None]
    others = [run for run in runs if run.invoked_by_id is None]
    return sorted(invoked, key=lambda run: run.pk, reverse=True) + others


def only_anew(runs: Sequence[Run]) -> list[Run]:
    """Those of functions that say resumable=False."""
    told = not_resumable(run.fn_id for run in runs)
    return [run for run in runs if run.fn_id in told and run.status in RETRYABLE]


def _deed(kind: str, advice: Mapping[str, Advice], usual: Deed) -> Deed:
    step = advice[kind].from_step if kind in advice else ""
    return from_step(step) if step else usual


def from_step(step: str) -> Deed:
    """A new run, which remembers what came before this step."""
    again = partial(api.rerun, from_step=step)
    return Deed(act=again, done=f"Rerun from step “{step}”.", action="jobs.rerun", asked=step)


def _advice(runs: Sequence[Run]) -> dict[str, Advice]:
    """By a sample of each kind, of the largest ones."""
    largest = [
        kind for kind, _ in Counter(run.failure_kind for run in runs).most_common(MOST_KINDS)
    ]
    samples = {run.failure_kind: run.pk for run in runs}
    found = advice_for([samples[kind] for kind in largest])
    return {kind: found[samples[kind]] for kind in largest if samples[kind] in found}
