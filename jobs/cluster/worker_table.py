"""Which worker advances which run: memory that a cluster's processes share.

The sentinel makes it before it forks. Each worker writes its own line; the keeper reads all.
Without a lock, a torn read costs one heartbeat, never a lease.
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

CARD = 2048  # bytes: more than a step's name, id and branch need
LINE = struct.Struct(f"<i16s16s{CARD}s")  # pid, run, token, step
LINES = 512
# A byte: the cluster stops; one per line: its worker is on shift; then the pusher's pulse.
SHIFTS = 8
BEAT = SHIFTS + LINES
# Last looked, last claimed (monotonic), requests in flight, the problem's length, the problem.
PULSE = struct.Struct("<ddiH500s")
HEADER = BEAT + PULSE.size
NOBODY = bytes(16)
NO_PID = bytes(4)


@dataclass(frozen=True, slots=True)
class Entry:
    pid: int
    run_id: uuid.UUID | None
    token: uuid.UUID | None
    step: str  # as current_step.card_of writes it; empty between steps


@dataclass(frozen=True, slots=True)
class Beat:
    """The pusher's last look and claim (monotonic; 0: never), and its problem."""

    looked: float = 0.0
    claimed: float = 0.0
    problem: str = ""
    in_flight: int = 0  # requests of its gateway


class Board:
    """Shared by all processes forked later."""

    def __init__(self) -> None:
        self.requests = Bell()  # wakes the gateway
        self.runs = Bell()  # wakes the pusher: a run may be due
        self.may_go_on = False  # this process, with the next run of the line (see dispatch)
        self.is_spoilt = False  # this process must execute no other run (see executor)
        self._page = mmap.mmap(-1, HEADER + LINES * LINE.size)
        self._mine: int | None = None
        self._pid = 0

    # --- a worker's side --------------------------------------------------------------------------

    def begin_shift(self) -> None:
        self.end()
        self._page[SHIFTS + self._line()] = 1

    def end_shift(self) -> None:
        self._page[SHIFTS + self._line()] = 0

    def begin(self, run_id: uuid.UUID, token: uuid.UUID) -> None:
        self._write(run_id.bytes, token.bytes, "")

    def at_step(self, card: str) -> None:
        """This process is in the body of a step; empty between steps."""
        end = self._start(self._line()) + LINE.size
        self._page[end - CARD : end] = card.encode()[:CARD].ljust(CARD, b"\0")

    def request_waits(self) -> None:
        """This process stored a request for the gateway."""
        self.requests.ring()

    def end(self) -> None:
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
        for line in range(LINES):
            start = self._start(line)
            if self._page[start : start + 4] != NO_PID:
                yield self._read(line)

    def on_shift(self) -> int:
        return self._page[SHIFTS:BEAT].count(1)

    def erase(self, pid: int) -> None:
        for line in range(LINES):
            if self._read(line).pid == pid:
                self._page[SHIFTS + line] = 0
                self._page[self._start(line) : self._start(line) + LINE.size] = bytes(LINE.size)

    @property
    def is_stopping(self) -> bool:
        return self._page[0] != 0

    def go_on(self) -> None:
        """A new pusher starts, in a living cluster."""
        self._page[0] = 0

    def stop(self) -> None:
        """Workers finish their step and take no new run."""
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
        """This process's line, by pid; the next free one if that is taken."""
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
