"""gunicorn's threaded worker, whose threads get whole requests (see the package)."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from melodymaker.serving.arrivals import Arrival

ARRIVES_WITHIN = 30.0  # seconds for a whole request, its body included
TAKES_WITHIN = 20.0  # seconds for the next 64 KiB of an answer
CLOSES_WITHIN = 2.0  # seconds for a client to read the last of an answer
PIECE = 64 * 1024  # bytes
MAX_DRAINED = 1024 * 1024  # bytes that are read and dropped of a request that was refused
MAX_LINGERING = 500  # connections
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class Connection(TConn):
    """A connection whose request arrives without a thread, and whose end needs none."""

    def __init__(self, worker: SiteWorker, *whose: Any) -> None:
        super().__init__(worker.cfg, *whose)
        self.worker = worker
        self.arrival = Arrival()
        self.deadline = 0.0
        self.drained = 0
        self.is_told = self.is_awaited = False

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.linger(self)
        else:
            util.close(self.sock)


class SiteWorker(ThreadWorker):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[Connection, None] = {}  # the oldest first
        self.lingering: dict[Connection, None] = {}
        self.files: Executor

    def init_process(self) -> None:
        self.files = self.get_thread_pool()
        super().init_process()

    # --- requests arrive ---

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except OSError as problem:
            if problem.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, client, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Receive the next request of this connection. What is read already is in its parser."""
        conn.sock.setblocking(False)
        conn.arrival = Arrival(conn.parser.unreader.take_buffered() if conn.parser else b"")
        conn.deadline, conn.is_told = time.monotonic() + ARRIVES_WITHIN, False
        self.arriving[conn] = None
        self.receive(conn)
        if len(self.arriving) > self.worker_connections // 2:
            self.drop(next(iter(self.arriving)))  # the slowest makes room

    def receive(self, conn: Connection, client: Any = None) -> None:
        arrival = conn.arrival
        try:
            while not arrival.is_whole:
                data = conn.sock.recv(PIECE)
                if not data:
                    return self.drop(conn)
                arrival.add(data)
                if arrival.wants_to_be_told and not conn.is_told:
                    conn.is_told = bool(conn.sock.send(GO_ON))
        except (BlockingIOError, InterruptedError):
            return self.wait(conn)
        except OSError:
            return self.drop(conn)
        return self.refuse(conn) if arrival.is_endless else self.hand_over(conn)

    def wait(self, conn: Connection) -> None:
        if not conn.is_awaited:
            self.poller.register(conn.sock, EVENT_READ, partial(self.receive, conn))
            conn.is_awaited = True

    def hand_over(self, conn: Connection) -> None:
        """Give a whole request to a thread."""
        self._leave(conn, self.arriving)
        conn.init()
        conn.parser.unreader.unread(bytes(conn.arrival.data))
        conn.data_ready = True
        pool = self.files if conn.arrival.is_for_a_file else self.tpool
        done = pool.submit(self.handle, conn)
        done.add_done_callback(
            lambda ended: self.method_queue.defer(self.finish_request, conn, ended)
        )

    def refuse(self, conn: Connection) -> None:
        """Headers without an end: gunicorn's own limits would let a thread wait for half a MiB."""
        self._leave(conn, self.arriving)
        self.nr_conns -= 1
        with suppress(OSError):
            conn.sock.send(TOO_LONG)
        conn.close(graceful=True)

    def drop(self, conn: Connection) -> None:
        self._leave(conn, self.arriving)
        self.nr_conns -= 1
        conn.close()

    # --- threads ---

    def handle_request(self, req: Any, conn: Connection) -> Any:
        conn.sock.settimeout(TAKES_WITHIN)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            self.log.debug("Dropped a client that does not take its answer")
            return False

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> bool:
        """What the site does not read of a request would hold a thread, and comes first."""
        return bool(keepalive) and not conn.arrival.is_cut and super()._keepalive_after(conn, True)

    # --- connections end ---

    def linger(self, conn: Connection) -> None:
        """Let the client read the last of its answer, then close. To close at once would make the
        system drop what the client has not read."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self.drain, conn))
        except (OSError, ValueError):
            return util.close(conn.sock)
        conn.is_awaited = True
        conn.deadline, conn.drained = time.monotonic() + CLOSES_WITHIN, 0
        self.lingering[conn] = None
        if len(self.lingering) > MAX_LINGERING:
            self._end(next(iter(self.lingering)))
        return None

    def drain(self, conn: Connection, client: Any) -> None:
        with suppress(BlockingIOError, InterruptedError):
            try:
                data = conn.sock.recv(PIECE)
            except ConnectionError:
                data = b""
            conn.drained += len(data)
            if not data or conn.drained > MAX_DRAINED:
                self._end(conn)

    def _end(self, conn: Connection) -> None:
        self._leave(conn, self.lingering)
        util.close(conn.sock)

    def _leave(self, conn: Connection, where: dict[Connection, None]) -> None:
        where.pop(conn, None)
        if conn.is_awaited:
            self.poller.unregister(conn.sock)
            conn.is_awaited = False

    def murder_pending(self) -> None:
        """Called once a second at least. A worker that stops waits for no half request."""
        super().murder_pending()
        self._drop_late(self.arriving, self.drop, is_over=not self.alive)
        self._drop_late(self.lingering, self._end, is_over=False)

    def _drop_late(
        self,
        those: dict[Connection, None],
        drop: Callable[[Connection], None],
        is_over: bool,
    ) -> None:
        now = time.monotonic()
        for conn in [one for one in those if is_over or one.deadline < now]:
            drop(conn)
