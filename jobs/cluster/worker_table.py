"""Which worker advances which run, in memory that a cluster's processes share.

Each worker writes its own line; the heartbeat reads all. Without a lock, a torn read costs one
heartbeat, never a lease.
"""

from __future__ import annotations

import mmap
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lib.error_report import fit_text
from jobs.platform.ipc import process_tree
from jobs.platform.ipc.process_tree import is_alive
from jobs.platform.ipc.wakeup import Wakeup
from jobs.runs.next_in_line import ShortLines

STEP_BYTES = 2048  # bytes: more than a step's name, id and branch need
ENTRY = struct.Struct(f"<i16s16s{STEP_BYTES}s")  # pid, run, token, step
MAX_ENTRIES = 512
# A byte: the cluster stops; one per line: its worker is on shift; then the pusher's pulse.
SHIFTS_OFFSET = 8
STATUS_OFFSET = SHIFTS_OFFSET + MAX_ENTRIES
# Last looked, last claimed (monotonic), requests in flight, the problem's length, the problem.
STATUS = struct.Struct("<ddiH500s")
HEADER = STATUS_OFFSET + STATUS.size
NO_RUN = bytes(16)
NO_PID = bytes(4)


@dataclass(frozen=True, slots=True)
class WorkerEntry:
    pid: int
    run_id: uuid.UUID | None
    token: uuid.UUID | None
    step: str  # by current_step.encode_current_step; empty between steps


@dataclass(frozen=True, slots=True)
class PusherStatus:
    """`looked` and `claimed` are monotonic; 0: never."""

    looked: float = 0.0
    claimed: float = 0.0
    problem: str = ""
    in_flight: int = 0  # requests of its gateway


class WorkerTable:
    def __init__(self) -> None:
        self.requests = Wakeup()  # wakes the gateway
        self.runs = Wakeup()  # wakes the pusher: a run may be due
        self.may_take_next = False  # the line's next run (see dispatch)
        self.short_lines = ShortLines()
        self.is_spoilt = False  # this process executes no other run (see executor)
        self._page = mmap.mmap(-1, HEADER + MAX_ENTRIES * ENTRY.size)
        self._mine: int | None = None
        self._pid = 0

    # --- a worker's side --------------------------------------------------------------------------

    def begin_shift(self) -> None:
        self.end()
        self._page[SHIFTS_OFFSET + self._own_entry()] = 1

    def end_shift(self) -> None:
        self._page[SHIFTS_OFFSET + self._own_entry()] = 0

    def begin(self, run_id: uuid.UUID, token: uuid.UUID) -> None:
        self._write(run_id.bytes, token.bytes, "")

    def step_changed(self, current_step: str) -> None:
        end = self._start(self._own_entry()) + ENTRY.size
        self._page[end - STEP_BYTES : end] = current_step.encode()[:STEP_BYTES].ljust(
            STEP_BYTES, b"\0"
        )

    def request_queued(self) -> None:
        self.requests.notify()

    def end(self) -> None:
        self._write(NO_RUN, NO_RUN, "")

    # --- the pusher's side, and the sentinel's ----------------------------------------------------

    def report_status(self, status: PusherStatus) -> None:
        problem = fit_text(status.problem, 500).encode()[:500]
        numbers = status.looked, status.claimed, status.in_flight, len(problem)
        STATUS.pack_into(self._page, STATUS_OFFSET, *numbers, problem)

    def pusher_status(self) -> PusherStatus:
        looked, claimed, in_flight, length, problem = STATUS.unpack_from(self._page, STATUS_OFFSET)
        text = problem[:length].decode(errors="ignore")
        return PusherStatus(looked, claimed, text, in_flight)

    # --- the heartbeat's side ---------------------------------------------------------------------

    def entries(self) -> Iterator[WorkerEntry]:
        for entry in range(MAX_ENTRIES):
            start = self._start(entry)
            if self._page[start : start + 4] != NO_PID:
                yield self._read(entry)

    def on_shift(self) -> int:
        return self._page[SHIFTS_OFFSET:STATUS_OFFSET].count(1)

    def forget(self, pid: int) -> None:
        for entry in range(MAX_ENTRIES):
            if self._read(entry).pid == pid:
                self._page[SHIFTS_OFFSET + entry] = 0
                self._page[self._start(entry) : self._start(entry) + ENTRY.size] = bytes(ENTRY.size)

    @property
    def is_stopping(self) -> bool:
        return self._page[0] != 0

    def resume(self) -> None:
        """A new pusher starts, in a living cluster."""
        self._page[0] = 0

    def stop(self) -> None:
        """Workers finish their step and take no new run."""
        self._page[0] = 1

    # --- the page ---------------------------------------------------------------------------------

    def _write(self, run: bytes, token: bytes, current_step: str) -> None:
        step = current_step.encode()[:STEP_BYTES]
        ENTRY.pack_into(
            self._page, self._start(self._own_entry()), process_tree.pid(), run, token, step
        )

    def _read(self, entry: int) -> WorkerEntry:
        pid, run, token, step = ENTRY.unpack_from(self._page, self._start(entry))
        if run == NO_RUN:
            return WorkerEntry(pid, None, None, "")
        current_step = step.rstrip(b"\0").decode(errors="replace")
        return WorkerEntry(pid, uuid.UUID(bytes=run), uuid.UUID(bytes=token), current_step)

    def _own_entry(self) -> int:
        """By pid; the next free line if that is taken."""
        pid = process_tree.pid()
        if self._mine is None or self._pid != pid:
            entries = [(pid + shift) % MAX_ENTRIES for shift in range(MAX_ENTRIES)]
            self._mine = next(entry for entry in entries if self._is_free(entry, pid))
            self._pid = pid
        return self._mine

    def _is_free(self, entry: int, pid: int) -> bool:
        holder = self._read(entry).pid
        return holder in (0, pid) or not is_alive(holder)

    @staticmethod
    def _start(entry: int) -> int:
        return HEADER + entry * ENTRY.size
