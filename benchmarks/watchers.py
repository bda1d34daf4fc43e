"""Operators who leave their panels open, from a process of its own: a question a line, in JSON.

    {"port": 8000, "panels": [[5.0, "/admin/?span=1h"], …]}   →   {"open": 5}
    {"close": true}   →   {"milliseconds": [12.0, …], "errors": 0}

Each panel asks for its fragment again every so many seconds, as htmx does on the page, over a new
connection: gunicorn does not keep an idle one for so long. A fragment later than that is asked for
at once. What goes wrong is an error, and the panel asks again.
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
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self.errors += self.ask(port, address) != 200
            except (OSError, http.client.HTTPException):
                self.errors += 1
            took = time.monotonic() - began
            self.took.append(1000 * took)
            self.over.wait(max(every - took, 0))

    def ask(self, port: int, address: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", address, headers=self.headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

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
