"""Fills a database with public songs and asks for each public page, from a process of its own.

{"songs": 200000, "rounds": 50}
→   {"Discover, liked lately": {"ms": [12.0, …], "queries": 6}, …}
"""

from __future__ import annotations

import html
import json
import re
import sys
import time
from typing import Any

import django
from django.conf import settings

# Files need not be collected to be named.
settings.STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from benchmarks.public_rows import publish_many, tidy_up  # noqa: E402
from songs.models import Publication, User  # noqa: E402
from songs.sharing.chores import count_categories  # noqa: E402

ARTIST = "artist"
NEXT = r'rel="next" href="([^"]+)"'


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        make(asked["songs"])
        print(json.dumps(measured(asked["rounds"])), flush=True)


def make(songs: int) -> None:
    """The songs, unless they are there, and a listener that looks at them."""
    if not User.objects.filter(username=ARTIST).exists():
        publish_many(User.objects.create_user(ARTIST), songs)
        count_categories()
        tidy_up()
        User.objects.create_user("listener")


def measured(rounds: int) -> dict[str, dict[str, Any]]:
    """The pages as a signed-in listener sees them, which costs more than a stranger's look."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username="listener"))
    stranger = Client(SERVER_NAME="127.0.0.1")
    found = {name: ask(client, address, rounds) for name, address in pages(client).items()}
    return found | {"the landing page": ask(stranger, "/", rounds)}


def pages(client: Client) -> dict[str, str]:
    found = {}
    for words, order in (("liked lately", "liked"), ("newest", "new")):
        for name, category in (("", ""), (", a category", "category 7"), (", a rare one", "rare")):
            found[f"Discover, {words}{name}"] = f"/discover/?order={order}&category={category}"
        found[f"Discover, {words}, page 20"] = page_20(client, f"/discover/?order={order}")
    song = Publication.objects.order_by("pk")[1000]
    return found | {"a public song": f"/listen/{song.pk}/", "the feed": "/discover/feed.xml"}


def page_20(client: Client, address: str) -> str:
    for _ in range(19):
        [query] = re.findall(NEXT, client.get(address).content.decode())
        address = f"/discover/{html.unescape(query)}"
    return address


class Counter:
    queries = 0

    def __call__(self, execute: Any, *asked: Any) -> Any:
        self.queries += 1
        return execute(*asked)


def ask(client: Client, address: str, rounds: int) -> dict[str, Any]:
    """The first answer is not counted: it loads templates."""
    counter = Counter()
    with connection.execute_wrapper(counter):
        answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}")
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address)
        took.append(1000 * (time.perf_counter() - began))
    return {"ms": took, "queries": counter.queries}


if __name__ == "__main__":
    main()
