"""Events a second: single ones and lists, with and without ids, by 1, 4 and 16 senders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.contenders import DJANGO_Q, OURS, Contender
from benchmarks.options import Options
from benchmarks.processes import Process
from benchmarks.results import Results
from benchmarks.stage import SENDING, Stage

TITLE = "Intake: events a second, each with a run that is due"
SENDERS, SECONDS = (1, 4, 16), 2
LIST, LONG_LIST = 500, 5000


def contenders(options: Options) -> list[Contender]:
    return [OURS, *([DJANGO_Q] if "django-q2" in options.peers else [])]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """No cluster runs: what is sent stays."""
    stage.prepare(contender)
    with side_by_side(stage, contender) as senders:
        for metric, asked in questions(contender):
            stage.empty(contender)
            results.add("intake", contender.name, metric, rate(senders, asked))


@contextmanager
def side_by_side(stage: Stage, contender: Contender) -> Iterator[Process]:
    senders = stage.start(contender, ["-m", "benchmarks.senders"], "senders", {}, talks=True)
    try:
        senders.read()
        yield senders
    finally:
        senders.end()


def rate(senders: Process, asked: dict[str, Any]) -> float:
    """Events a second."""
    usual = {"seconds": SECONDS, "ids": False, "again": False, "later": False}
    told = senders.ask(usual | asked, SENDING)
    return told["events"] / told["seconds"]


def questions(contender: Contender) -> Iterator[tuple[str, dict[str, Any]]]:
    """django-q2 knows single ones alone, without an id."""
    own = contender.kind == "ours"
    for count in SENDERS:
        who = f"{count} sender{'s' if count > 1 else ''}"
        for ids, said in ((False, ""), (True, " with ids")) if own else ((False, ""),):
            asked = {"senders": count, "ids": ids}
            yield f"single{said}, {who}, events/s", asked | {"of": 1}
            if own:
                yield f"lists of {LIST}{said}, {who}, events/s", asked | {"of": LIST}
    if own:
        long_list = {"senders": 1, "of": LONG_LIST, "seconds": 0}
        yield f"a list of {LONG_LIST:,}, events/s", long_list
        yield f"a list of {LONG_LIST:,} with ids, events/s", long_list | {"ids": True}
        yield (
            f"a list of {LONG_LIST:,} that was sent before, events/s",
            long_list | {"ids": True, "again": True},
        )
