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
    known = f"of {', '.join(cases)} (all but {', '.join(sorted(only_if_named)) or 'none'})"
    parser.add_argument("cases", nargs="*", metavar="case", help=known)
    add_sizes(parser)
    add_surroundings(parser, peers)
    given = vars(parser.parse_args(argv))
    named, settings = given.pop("cases"), dict(given.pop("set"))
    for name in named:
        if name not in cases:
            parser.error(f"there is no case {name!r}; choose of {', '.join(cases)}")
    if settings and given["publish"]:
        parser.error("--publish shows the servers as they are described; it goes without --set")
    chosen = named or [name for name in cases if name not in only_if_named]
    in_order = [name for name in cases if name in chosen]
    return Options(cases=in_order, settings=settings, **given)


def add_sizes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--times", type=positive, default=3, help="rounds of each case (3)")
    add("--songs", type=positive, help="songs of a round, where a case leaves that open")
    add("--history", type=whole, nargs="+", help="ended runs in the tables (0 100000 5000000)")
    add("--sleepers", type=positive, nargs="+", help="that are due at the same second (10000)")
    add("--queued", type=positive, help="runs that a bulk cancels (10000)")
    add("--expired", type=positive, help="runs that retention deletes (100000)")


def add_surroundings(parser: argparse.ArgumentParser, peers: Sequence[str]) -> None:
    add = parser.add_argument
    add("--peers", nargs="*", choices=peers, default=list(peers), help="all; none after --peers")
    add(
        "--server",
        choices=list(SERVERS),
        default="embedded",
        help="the wheel's PostgreSQL, or the newest that this system has installed (embedded)",
    )
    add(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the server that is to be another one, as jit=off",
    )
    add(
        "--patience",
        type=whole,
        default=0,
        metavar="SECONDS",
        help="how long to wait before each round for others on the machine to be quiet (0)",
    )
    add("--publish", action="store_true", help="write docs/performance.json and the charts")


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
