"""A local endpoint in a process of its own that remembers what it was asked, and when."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BUSY_ONE_IN = 5  # a request's first try is answered 503


@dataclass
class Call:
    """One request, as it came over the wire. Times are the machine's monotonic clock."""

    key: str  # its Idempotency-Key
    line: str
    began: float
    ended: float | None = None
    status: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the whole answer in one packet
    calls: list[Call] = []
    lock = threading.Lock()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = Call(self.headers["Idempotency-Key"], asked["line"], time.monotonic())
        with self.lock:
            is_first = all(other.key != call.key for other in self.calls)
            self.calls.append(call)
        time.sleep(asked["seconds"])
        is_busy = is_first and zlib.crc32(call.key.encode()) % BUSY_ONE_IN == 0
        call.status, call.ended = 503 if is_busy else 200, time.monotonic()
        self._say(call.status, {"run": asked["run"]})

    def do_GET(self) -> None:
        with self.lock:
            self._say(200, [asdict(call) for call in self.calls])

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Nothing on the console."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may have been killed."""


def serve() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


class Endpoint:
    """The trial's side of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.endpoint"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def calls(self) -> list[Call]:
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return [Call(**call) for call in json.load(answer)]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    serve()
