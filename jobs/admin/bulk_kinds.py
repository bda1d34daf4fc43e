"""A bulk retry's kinds of failure: its page says which of them a retry cannot help, what helps
instead, and which runs can only be rerun from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict

from jobs.admin.form_acts import FormAct
from jobs.admin.run_acts import RESTART, rerun_from
from jobs.control.retries import RETRYABLE, not_resumable
from jobs.lib.failure_kinds import UNTOLD
from jobs.metrics.remedies import Advice, Remedy, advice_for
from jobs.models import Run

RERUN, LEAVE_OUT = "rerun_from", "leave_out"  # form fields; their values are kinds
ANEW = "restart"  # … “yes”: runs that do not go on are rerun from the start
MAX_KINDS = 30


@dataclass(frozen=True, slots=True)
class KindRow:
    kind: str
    runs: int
    advice: Advice

    @property
    def label(self) -> str:
        return self.kind or UNTOLD

    @property
    def is_remembered(self) -> bool:
        return self.advice.remedy == Remedy.RERUN_FROM

    @property
    def is_gone(self) -> bool:
        return self.advice.remedy == Remedy.LEAVE_OUT


def rows_of(runs: Sequence[Run]) -> list[KindRow]:
    """Largest first. One query."""
    counts = Counter(run.failure_kind for run in runs)
    advice = _advice(runs)
    return [
        KindRow(kind, number, advice[kind])
        for kind, number in counts.most_common()
        if kind in advice
    ]


def form_acts(runs: Sequence[Run], form: QueryDict, usual: FormAct) -> list[tuple[Run, FormAct]]:
    """Each run with the form's act for its kind, without those left out. The step from which a
    kind begins is found anew, not taken from the form."""
    anew = only_anew(runs)
    runs = [run for run in _invoked_first(runs) if run not in anew]
    rerun, left_out = set(form.getlist(RERUN)), set(form.getlist(LEAVE_OUT))
    advice = _advice([run for run in runs if run.failure_kind in rerun]) if rerun else {}
    restarted = [(run, RESTART) for run in anew if form.get(ANEW) == "yes"]
    return restarted + [
        (run, _form_act_of(run.failure_kind, advice, usual))
        for run in runs
        if run.failure_kind not in left_out
    ]


def _invoked_first(runs: Sequence[Run]) -> list[Run]:
    """An invoker's retry takes its invoked run along, whose own retry would then be refused."""
    invoked = [run for run in runs if run.invoked_by_id is not None]
    others = [run for run in runs if run.invoked_by_id is None]
    return sorted(invoked, key=lambda run: run.pk, reverse=True) + others


def only_anew(runs: Sequence[Run]) -> list[Run]:
    told = not_resumable(run.fn_id for run in runs)
    return [run for run in runs if run.fn_id in told and run.status in RETRYABLE]


def _form_act_of(kind: str, advice: Mapping[str, Advice], usual: FormAct) -> FormAct:
    step = advice[kind].from_step if kind in advice else ""
    return rerun_from(step) if step else usual


def _advice(runs: Sequence[Run]) -> dict[str, Advice]:
    largest = [kind for kind, _ in Counter(run.failure_kind for run in runs).most_common(MAX_KINDS)]
    samples = {run.failure_kind: run.pk for run in runs}
    found = advice_for([samples[kind] for kind in largest])
    return {kind: found[samples[kind]] for kind in largest if samples[kind] in found}
