"""What may be chosen on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    cases: list[str]
    times: int
    songs: int | None
    history: list[int] | None
    peers: list[str]
    patience: int
    publish: bool


def parse(argv: Sequence[str], cases: Sequence[str], peers: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Real PostgreSQL, real clusters, a real endpoint. "
        'make bench ARGS="overhead latency --times 1" plays a part of it.',
    )
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(cases)} (all)")
    parser.add_argument("--times", type=positive, default=3, help="rounds of each case (3)")
    parser.add_argument(
        "--songs", type=positive, help="songs of a round, where a case leaves that open"
    )
    parser.add_argument(
        "--history", type=whole, nargs="+", help="ended runs in the tables (0 100000 5000000)"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=peers, default=list(peers), help="all; none after --peers"
    )
    parser.add_argument(
        "--patience",
        type=whole,
        default=0,
        metavar="SECONDS",
        help="how long to wait before each round for others on the machine to be quiet (0)",
    )
    parser.add_argument(
        "--publish", action="store_true", help="write docs/performance.json and the charts"
    )
    given = parser.parse_args(argv)
    for name in given.cases:
        if name not in cases:
            parser.error(f"there is no case {name!r}; choose of {', '.join(cases)}")
    return Options(
        cases=[name for name in cases if not given.cases or name in given.cases],
        times=given.times,
        songs=given.songs,
        history=given.history,
        peers=given.peers,
        patience=given.patience,
        publish=given.publish,
    )


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
