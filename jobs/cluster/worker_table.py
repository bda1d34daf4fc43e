"""Who of a cluster's workers is at which run: a page of memory that its processes share.

A cluster is a family of forks. Its sentinel makes the board before it makes them; each worker
writes its own line, and the keeper in the pusher's process reads all of them. No lock: a line has
one writer, and a torn read costs one heartbeat, never a lease.
"""

from __future__ import annotations

import mmap
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lib.error_report import storable
from jobs.platform.ipc import process_tree
from jobs.platform.ipc.process_tree import is_alive
from jobs.platform.ipc.wakeup import Bell

CARD = 2048  # bytes: more than a step's name, id and branch can have
LINE = struct.Struct(f"<i16s16s{CARD}s")  # pid, run, token, step
LINES = 512
# A byte that says whether the cluster is stopping; behind it one for each line: who is on shift;
# behind those the pusher's pulse.
SHIFTS = 8
BEAT = SHIFTS + LINES
# Last looked, last claimed (monotonic), requests in flight, the problem's length, the problem.
PULSE = struct.Struct("<ddiH500s")
HEADER = BEAT + PULSE.size
NOBODY = bytes(16)
NO_PID = bytes(4)


@dataclass(frozen=True, slots=True)
class Entry:
    """A worker's line: what it is at, if anything."""

    pid: int
    run_id: uuid.UUID | None
    token: uuid.UUID | None
    step: str  # its card (see current_step.card_of); empty: between two steps


@dataclass(frozen=True, slots=True)
class Beat:
    """What the pusher last did, in times of the machine's monotonic clock (0: never), and what
    keeps it from looking for due runs, if anything does."""

    looked: float = 0.0
    claimed: float = 0.0
    problem: str = ""
    in_flight: int = 0  # requests of its gateway


class Board:
    """Shared by every process that is forked after it was made."""

    def __init__(self) -> None:
        self.requests = Bell()  # for the cluster's gateway
        self.runs = Bell()  # for its pusher: a run may be due
        self.may_go_on = False  # this process, with the turn that its run leaves (see dispatch)
        self.is_spoilt = False  # this process is to execute no other run (see executor)
        self._page = mmap.mmap(-1, HEADER + LINES * LINE.size)
        self._mine: int | None = None
        self._pid = 0

    # --- a worker's side --------------------------------------------------------------------------

    def begin_shift(self) -> None:
        """This process takes what there is to do (see dispatch)."""
        self.end()
        self._page[SHIFTS + self._line()] = 1

    def end_shift(self) -> None:
        self._page[SHIFTS + self._line()] = 0

    def begin(self, run_id: uuid.UUID, token: uuid.UUID) -> None:
        """This process advances a run from now on."""
        self._write(run_id.bytes, token.bytes, "")

    def at_step(self, card: str) -> None:
        """It is in the body of this step; empty: between steps."""
        end = self._start(self._line()) + LINE.size
        self._page[end - CARD : end] = card.encode()[:CARD].ljust(CARD, b"\0")

    def request_waits(self) -> None:
        """It has left a request to the cluster's gateway."""
        self.requests.ring()

    def end(self) -> None:
        """It advances nothing now."""
        self._write(NOBODY, NOBODY, "")

    # --- the pusher's side, and the sentinel's ----------------------------------------------------

    def beat(self, beat: Beat) -> None:
        problem = storable(beat.problem, 500).encode()[:500]
        numbers = beat.looked, beat.claimed, beat.in_flight, len(problem)
        PULSE.pack_into(self._page, BEAT, *numbers, problem)

    def last_beat(self) -> Beat:
        looked, claimed, in_flight, length, problem = PULSE.unpack_from(self._page, BEAT)
        text = problem[:length].decode(errors="ignore")
        return Beat(looked, claimed, text, in_flight)

    # --- the keeper's side ------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Every line that a process has ever written."""
        for line in range(LINES):
            start = self._start(line)
            if self._page[start : start + 4] != NO_PID:
                yield self._read(line)

    def on_shift(self) -> int:
        """How many processes are."""
        return self._page[SHIFTS:BEAT].count(1)

    def erase(self, pid: int) -> None:
        """Forget a process that is gone."""
        for line in range(LINES):
            if self._read(line).pid == pid:
                self._page[SHIFTS + line] = 0
                self._page[self._start(line) : self._start(line) + LINE.size] = bytes(LINE.size)

    @property
    def is_stopping(self) -> bool:
        return self._page[0] != 0

    def go_on(self) -> None:
        """A new keeper is there: the one before ended with its process, not with the cluster."""
        self._page[0] = 0

    def stop(self) -> None:
        """Tell every worker to finish the step that it is at, and to take nothing new."""
        self._page[0] = 1

    # --- the page ---------------------------------------------------------------------------------

    def _write(self, run: bytes, token: bytes, card: str) -> None:
        step = card.encode()[:CARD]
        LINE.pack_into(
            self._page, self._start(self._line()), process_tree.number(), run, token, step
        )

    def _read(self, line: int) -> Entry:
        pid, run, token, step = LINE.unpack_from(self._page, self._start(line))
        if run == NOBODY:
            return Entry(pid, None, None, "")
        card = step.rstrip(b"\0").decode(errors="replace")
        return Entry(pid, uuid.UUID(bytes=run), uuid.UUID(bytes=token), card)

    def _line(self) -> int:
        """This process's line: found by its number, the next free one if another has it."""
        pid = process_tree.number()
        if self._mine is None or self._pid != pid:
            lines = [(pid + shift) % LINES for shift in range(LINES)]
            self._mine = next(line for line in lines if self._is_free(line, pid))
            self._pid = pid
        return self._mine

    def _is_free(self, line: int, pid: int) -> bool:
        holder = self._read(line).pid
        return holder in (0, pid) or not is_alive(holder)

    @staticmethod
    def _start(line: int) -> int:
        return HEADER + line * LINE.size
