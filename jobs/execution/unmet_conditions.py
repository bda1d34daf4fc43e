"""What a wait's condition could not evaluate: a few log lines of the run, however many events and
looks.
"""

from __future__ import annotations

import logging

from jobs.registry.expressions import WhyNot
from jobs.runs.step_record import StepRecord

logger = logging.getLogger("jobs.expressions")

MAX_LOGGED = 5  # events of one look
MISTAKES, ABSENT = "mistakes", "absent"  # in a step's detail: events of earlier looks


class UnmetCondition:
    """Each look reads all events again, and tells of new ones."""

    def __init__(self, step: StepRecord) -> None:
        self._step = step
        self._mistakes: list[str] = []
        self._absent: list[str] = []

    def note(self, event_id: str, reason: WhyNot) -> None:
        told = f"event {event_id}: {reason.text}"
        if reason.is_mistake:
            self._mistakes.append(told)
        elif reason.is_absent:
            self._absent.append(told)

    def log(self) -> None:
        self._log_mistakes(self._new(MISTAKES, self._mistakes))
        self._log_absent(self._new(ABSENT, self._absent))

    def _new(self, kind: str, found: list[str]) -> list[str]:
        before = self._step.detail.get(kind, 0)
        if len(found) > before:
            self._step.detail = {**self._step.detail, kind: len(found)}
        return found[before:]

    def _log_mistakes(self, new: list[str]) -> None:
        for told in new[:MAX_LOGGED]:
            logger.warning("The condition of step “%s”, %s", self._step.name, told)
        if len(new) > MAX_LOGGED:
            logger.warning("… and the same of %d more events.", len(new) - MAX_LOGGED)

    def _log_absent(self, new: list[str]) -> None:
        """Ordinary: the step's first one shows what the condition reads."""
        if new and len(new) == len(self._absent):
            logger.info("The condition of step “%s”, %s", self._step.name, new[0])
