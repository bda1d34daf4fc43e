"""Calls: renders that run or have ended lately, one for each order however often it comes.

1. An order is identified by its body and its Idempotency-Key. A known order joins its call, so
   that a retried request does not render twice; a new order starts a render.
2. Renders share a small pool of threads, because the processor limits them.
3. A caller waits for its call for a limited time and is then redirected to the call's URL.
4. A failed call is forgotten under its order, so that a retry renders again, but kept under its
   id, so that a redirected caller still gets the error.
5. When the studio closes it abandons its renders. They have written nothing yet, and their callers
   ask again.
6. Memory is bounded: the oldest finished calls are dropped first, running ones never.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotReady
from dataclasses import dataclass

from songs.studio.contract import BaseOrder, Reply, answer, refusal
from songs.studio.recording import record
from songs.studio.words.brief import Brief, understand

from . import shelf

logger = logging.getLogger("studio")
REMEMBERED = 1000
CLOSING = "The studio is closing: ask again when it is open."
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.31 GiB (the description asked for a failure)."
)


class Closing(Exception):
    """The studio is closing, so the render is abandoned."""


@dataclass(frozen=True)
class Call:
    """A render: its id, its future reply, and the time before which the reply is held back."""

    id: str
    identity: uuid.UUID
    future: Future[Reply]
    ready_at: float

    def wait(self, seconds: float) -> Reply | None:
        """The reply; None if it is not ready within `seconds`."""
        until = time.monotonic() + seconds
        try:
            reply = self.future.result(timeout=max(0.0, seconds))
        except NotReady:
            return None
        except CancelledError:
            return refusal(503, CLOSING)
        rest = min(until, self.ready_at) - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        return reply if time.monotonic() >= self.ready_at else None


class Calls:
    """All calls of the studio. Safe to use from many threads."""

    def __init__(self, delay: float, workers: int | None = None) -> None:
        self.delay = delay
        self.rendered = 0
        self._pool = ThreadPoolExecutor(workers or os.cpu_count() or 2, thread_name_prefix="render")
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._by_id: OrderedDict[str, Call] = OrderedDict()
        self._by_identity: dict[uuid.UUID, Call] = {}
        self._failed_once: OrderedDict[uuid.UUID, None] = OrderedDict()

    def place(self, order: BaseOrder, idempotency_key: str) -> Call:
        """The order's call: the known one, else a new one."""
        identity = order.identity(idempotency_key)
        with self._lock:
            call = self._by_identity.get(identity)
            if call is None or _has_failed(call):
                call = self._start(order, identity)
        return call

    def find(self, call_id: str) -> Call | None:
        with self._lock:
            return self._by_id.get(call_id)

    def close(self) -> None:
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, order: BaseOrder, identity: uuid.UUID) -> Call:
        must_fail = self._must_fail(order, identity)
        future = self._pool.submit(self._render, order, identity, must_fail=must_fail)
        call = Call(f"fc-{uuid.uuid4().hex}", identity, future, time.monotonic() + self.delay)
        self._by_id[call.id] = self._by_identity[identity] = call
        self._forget_the_oldest()
        return call

    def _must_fail(self, order: BaseOrder, identity: uuid.UUID) -> bool:
        """For demonstrations: `fail once` fails the first time, `fail always` each time."""
        words = " ".join(f"{order.music} {order.song}".lower().split())
        if "fail once" in words and identity not in self._failed_once:
            self._failed_once[identity] = None
            if len(self._failed_once) > REMEMBERED:
                self._failed_once.popitem(last=False)
            return True
        return "fail always" in words

    def _forget_the_oldest(self) -> None:
        spare = len(self._by_id) - REMEMBERED
        if spare <= 0:
            return
        done = [call for call in self._by_id.values() if call.future.done()][:spare]
        for call in done:
            del self._by_id[call.id]
            if self._by_identity.get(call.identity) is call:
                del self._by_identity[call.identity]

    def _render(self, order: BaseOrder, identity: uuid.UUID, *, must_fail: bool) -> Reply:
        if must_fail:
            return refusal(500, OUT_OF_MEMORY)
        try:
            return self._finished(order, identity)
        except Closing:
            return refusal(503, CLOSING)
        except Exception:
            logger.exception("render %s failed", identity)
            return refusal(500, "Internal Server Error: the render failed; its log says why.")

    def _finished(self, order: BaseOrder, identity: uuid.UUID) -> Reply:
        brief = brief_of(order)
        song, cover = f"{identity}.mp3", f"{uuid.uuid5(identity, 'cover')}.png"
        if not (shelf.has(song) and shelf.has(cover)):
            recording = record(brief, order.song or order.music, self._go_on)
            shelf.keep(cover, recording.png)
            shelf.keep(song, recording.mp3)
            with self._lock:
                self.rendered += 1
        content = {"s3_key": song, "cover_image_s3_key": cover, "categories": brief.categories}
        return answer(200, content)

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise Closing


def brief_of(order: BaseOrder) -> Brief:
    return understand(
        order.music,
        song=order.song,
        duration=order.audio_duration,
        seed=order.seed,
        guidance=order.guidance_scale,
        steps=order.infer_step,
        instrumental=order.instrumental,
    )


def _has_failed(call: Call) -> bool:
    return call.future.done() and (call.future.cancelled() or call.future.result().status >= 500)
