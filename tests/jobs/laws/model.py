"""What the engine does with runs, in plain Python: who is claimed, who is parked, who is woken."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.runs.claimed_run import Claim

UNFINISHED = ("queued", "running", "waiting")


@dataclass
class Known:
    """A run as the model knows it."""

    id: str
    fn_id: str
    keys: list[str]
    status: str = "queued"
    is_due: bool = True
    is_parked: bool = False
    is_aside: bool = False  # set aside, since its function stands still
    stop: bool = False  # asked to be put down after its step
    turns: int = 0
    claim: Claim | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    def stands_in(self, line: int, key: str) -> bool:
        return (
            self.status == "queued"
            and self.turns == line < len(self.keys)
            and (self.keys[line] == key)
        )

    def holds(self, line: int, key: str) -> bool:
        return self.is_unfinished and self.turns > line and self.keys[line] == key

    def comes_back(self, status: str, *, due: bool) -> None:
        """No worker has it any more, its turns are kept."""
        self.status, self.is_due, self.claim, self.stop = status, due, None, False


@dataclass
class Model:
    """All runs, oldest first, and the rules of their lines."""

    limits: dict[str, list[int]]
    runs: dict[str, Known] = field(default_factory=dict)
    paused: dict[str, bool] = field(default_factory=dict)  # function → stands still

    def unfinished(self) -> list[Known]:
        return [run for run in self.runs.values() if run.is_unfinished]

    def claim(self, batch: list[str]) -> set[str]:
        """Who of these due runs is claimed; the others are parked or set aside."""
        here = [self.runs[run_id] for run_id in batch]
        for run in here:
            run.is_aside = self.paused.get(run.fn_id, False)
        moving = [run for run in here if not run.is_aside]
        for line in (0, 1):
            passing = [run for run in moving if self._may_pass(run, line)]
            for run in passing:
                run.turns += 1
        for run in here:
            run.is_due = False
            run.is_parked = not run.is_aside and run.turns < len(run.keys)
        for run in here:
            if run.is_aside and run.turns < len(run.keys):
                self._wake_next(run.turns, run.keys[run.turns])
        return {run.id for run in moving if not run.is_parked}

    def _may_pass(self, run: Known, line: int) -> bool:
        if not run.turns == line < len(run.keys):
            return False
        key = run.keys[line]
        held = sum(other.holds(line, key) for other in self.runs.values())
        return held + len(self.before(run, line)) < self.limits[run.fn_id][line]

    def before(self, run: Known, line: int) -> list[Known]:
        """Who stands before it in a line, and is on the way."""
        key = run.keys[line]
        standing = (other for other in self.runs.values() if other.stands_in(line, key))
        return [o for o in standing if o.id < run.id and (o.is_due or o.is_parked)]

    def end(self, run: Known, status: str) -> None:
        """A run leaves: the first parked one in each line that it was in is woken."""
        run.comes_back(status, due=False)
        run.is_parked = run.is_aside = False
        for line, key in list(enumerate(run.keys))[: run.turns + 1]:
            self._wake_next(line, key)

    def _wake_next(self, line: int, key: str) -> None:
        parked = [o for o in self.runs.values() if o.stands_in(line, key) and o.is_parked]
        if parked:
            parked[0].is_parked, parked[0].is_due = False, True
