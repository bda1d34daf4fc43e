"""The slow endpoint, a process of its own: `python -m benchmarks.endpoint`.

POST /  {"user": …, "song": …, "delay": seconds}   answers after the delay, in one packet
GET  /report                                       what was asked since the last report

It keeps connections, sets TCP_NODELAY, and counts how many requests of one user it has at a time.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any


class Record:
    def __init__(self) -> None:
        self.in_flight: Counter[int] = Counter()
        self.now = 0
        self.clear()

    def clear(self) -> None:
        self.calls = self.overlaps = self.peak = 0

    def enter(self, user: int) -> None:
        self.calls += 1
        self.overlaps += bool(self.in_flight[user])
        self.in_flight[user] += 1
        self.now += 1
        self.peak = max(self.peak, self.now)

    def leave(self, user: int) -> None:
        self.in_flight[user] -= 1
        self.now -= 1

    def report(self) -> dict[str, int]:
        told = {"calls": self.calls, "overlaps": self.overlaps, "peak": self.peak}
        self.clear()
        return told


class Conversation(asyncio.Protocol):
    """One connection; asyncio has set TCP_NODELAY."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = _length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._hear(head, rest[:length])

    def _hear(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /report"):
            self._say(self._record.report())
            return
        asked = json.loads(body)
        user, delay = asked.get("user", 0), _delay(asked)
        self._record.enter(user)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._answer, user, asked)
        else:
            self._answer(user, asked)

    def _answer(self, user: int, asked: dict[str, Any]) -> None:
        self._record.leave(user)
        name = str(asked.get("song", asked.get("seed", 0)))
        self._say(
            {
                "s3_key": f"{name}.mp3",
                "cover_image_s3_key": f"{name}.png",
                "categories": ["piano", "slow", "rain"],
            }
        )

    def _say(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        if not self._transport.is_closing():
            self._transport.write(head.encode() + body)


def _delay(asked: dict[str, Any]) -> float:
    """As the benchmark's app says it, or as a listener may write it in the site's own form."""
    words = re.search(r"in (\d+) seconds", asked.get("full_described_song", ""))
    return float(words[1]) if words else asked.get("delay", 0)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


async def serve() -> None:
    record = Record()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(record), "127.0.0.1", 0, backlog=4096)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        sys.exit(0)
