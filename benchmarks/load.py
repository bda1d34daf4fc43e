"""The load generator, a process of its own: `python -m benchmarks.load`, a question in JSON.

    {"port": 8000, "sessions": [...], "connections": 16, "seconds": 10}
    →   {"milliseconds": [...], "errors": {"500": 1}, "seconds": 10.02}

Each connection is kept, and posts the next song as soon as the last one was answered. Anything
but the redirect to the song's page is an error.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections import Counter
from typing import Any
from urllib.parse import urlencode

CSRF = "b" * 32


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asyncio.run(press(json.loads(line)))), flush=True)


async def press(asked: dict[str, Any]) -> dict[str, Any]:
    took: list[float] = []
    errors: Counter[str] = Counter()
    sessions = itertools.cycle(asked["sessions"])
    began = time.monotonic()
    until = began + asked["seconds"]
    await asyncio.gather(
        *(
            converse(asked["port"], sessions, until, took, errors)
            for _ in range(asked["connections"])
        )
    )
    return {"milliseconds": took, "errors": errors, "seconds": time.monotonic() - began}


async def converse(
    port: int, sessions: Any, until: float, took: list[float], errors: Counter[str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        began = time.monotonic()
        writer.write(request(port, next(sessions)))
        try:
            status, closes = await answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            status, closes = "broken off", True
        took.append((time.monotonic() - began) * 1000)
        if status != "303":
            errors[status] += 1
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def request(port: int, session: str) -> bytes:
    form = {
        "full_described_song": "a waltz for two cats",
        "guidance_scale": "15",
        "audio_duration": "60",
        "instrumental": "on",
        "form_token": str(uuid.uuid4()),
        "csrfmiddlewaretoken": CSRF,
    }
    body = urlencode(form).encode()
    head = (
        f"POST /songs/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Cookie: sessionid={session}; csrftoken={CSRF}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.partition(": ")[::2] for line in head.split("\r\n")[1:] if line)
    await reader.readexactly(int(fields.get("content-length", "0")))
    return head.split(" ", 2)[1], fields.get("connection") == "close"


if __name__ == "__main__":
    main()
