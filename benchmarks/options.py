"""What may be chosen on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.results import SERVERS


@dataclass(frozen=True)
class Options:
    cases: list[str]
    times: int
    songs: int | None
    history: list[int] | None
    sleepers: list[int] | None
    queued: int | None
    expired: int | None
    peers: list[str]
    server: str
    settings: dict[str, str]
    patience: int
    publish: bool


def parse(
    argv: Sequence[str],
    cases: Sequence[str],
    peers: Sequence[str],
    only_if_named: Collection[str] = (),
) -> Options:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Real PostgreSQL, real clusters, a real endpoint. "
        'make bench ARGS="overhead latency --times 1" plays a part of it.',
    )
    parser.add_argument(
        "cases",
        nargs="*",
        metavar="case",
        help=f"of {', '.join(cases)} (all but {', '.join(only_if_named)})",
    )
    parser.add_argument("--times", type=positive, default=3, help="rounds of each case (3)")
    parser.add_argument(
        "--songs", type=positive, help="songs of a round, where a case leaves that open"
    )
    parser.add_argument(
        "--history", type=whole, nargs="+", help="ended runs in the tables (0 100000 5000000)"
    )
    parser.add_argument(
        "--sleepers", type=positive, nargs="+", help="that are due at the same second (10000)"
    )
    parser.add_argument("--queued", type=positive, help="runs that a bulk cancels (10000)")
    parser.add_argument("--expired", type=positive, help="runs that retention deletes (100000)")
    parser.add_argument(
        "--peers", nargs="*", choices=peers, default=list(peers), help="all; none after --peers"
    )
    parser.add_argument(
        "--server",
        choices=list(SERVERS),
        default="embedded",
        help="the wheel's PostgreSQL, or the newest that this system has installed (embedded)",
    )
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the server that is to be another one, as jit=off",
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
    if given.set and given.publish:
        parser.error("--publish shows the servers as they are described; it goes without --set")
    return Options(
        cases=[
            name
            for name in cases
            if name in given.cases or (not given.cases and name not in only_if_named)
        ],
        times=given.times,
        songs=given.songs,
        history=given.history,
        sleepers=given.sleepers,
        queued=given.queued,
        expired=given.expired,
        peers=given.peers,
        server=given.server,
        settings=dict(given.set),
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


def setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name.isidentifier() and sign and value):
        raise argparse.ArgumentTypeError(f"{text!r} is no setting, as jit=off is")
    return name, value
