"""Operators who leave their panels open, from a process of its own: a question a line, in JSON.

    {"port": 8000, "panels": [[5.0, "/admin/?span=1h"], …]}   →   {"open": 5}
    {"close": true}   →   {"milliseconds": [12.0, …], "errors": 0}

Each panel is a connection that is kept; it asks for its fragment again every so many seconds, as
htmx does on the page. A fragment later than that is asked for at once.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from typing import Any

import django

django.setup()

from benchmarks.listeners import session  # noqa: E402
from songs.models import User  # noqa: E402

PATIENCE = 30.0  # seconds for an answer


class Panels:
    def __init__(self, port: int, panels: list[tuple[float, str]]) -> None:
        user = User.objects.create_superuser(f"watcher-{time.time()}", "w@example.org", "secret")
        self.headers = {"Cookie": f"sessionid={session(user)}", "HX-Request": "true"}
        self.took: list[float] = []
        self.errors = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(port, *one)) for one in panels]
        for thread in self.threads:
            thread.start()

    def watch(self, port: int, every: float, address: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while not self.over.is_set():
            began = time.monotonic()
            connection.request("GET", address, headers=self.headers)
            answer = connection.getresponse()
            answer.read()
            took = time.monotonic() - began
            self.took.append(1000 * took)
            self.errors += answer.status != 200
            self.over.wait(max(every - took, 0))

    def close(self) -> dict[str, Any]:
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        return {"milliseconds": self.took, "errors": self.errors}


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    opened: Panels | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        told: dict[str, Any] = {"open": 0}
        if "panels" in asked:
            opened = Panels(asked["port"], [(every, page) for every, page in asked["panels"]])
            told = {"open": len(opened.threads)}
        elif opened is not None:
            told = opened.close()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
