"""What a trial came to, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from jobs.models import Attempt, Step
from tests.chaos.endpoint import Call
from tests.chaos.laws import extra_calls, runs
from tests.chaos.storm import Storm

MAX_TOLD = 20


def figures(seed: int, storm: Storm, calls: list[Call], seconds: float) -> dict[str, Any]:
    """{"seed", "seconds", "blows": {kind: n}, "runs": {status: n}, …}"""
    ours = runs()
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "blows": dict(sorted(storm.count().items())),
        "runs": dict(sorted(Counter(ours.values_list("status", flat=True)).items())),
        "steps": Step.objects.filter(run__in=ours).count(),
        "attempts": Attempt.objects.filter(run__in=ours).count(),
        "attempts lost with their worker": Attempt.objects.filter(
            run__in=ours, error_class="jobs.errors.WorkerLost"
        ).count(),
        "runs requeued by a lapsed lease": ours.filter(lost_count__gt=0).count(),
        "endpoint calls": len(calls),
        "of these explained by blows": extra_calls(calls),
    }


def text(figures: dict[str, Any], verdict: dict[str, list[str]]) -> str:
    lines = ["", f"chaos, seed {figures['seed']}"]
    lines += [f"  {name:<36}{_flat(value)}" for name, value in figures.items() if name != "seed"]
    for name, broken in verdict.items():
        lines.append(f"  {name:<36}{len(broken)}")
        lines += [f"    - {sentence}" for sentence in broken[:MAX_TOLD]]
    return "\n".join(lines)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        parts = ", ".join(f"{n} {kind}" for kind, n in value.items())
        return f"{sum(value.values())}: {parts}" if value else "0"
    return str(value)
