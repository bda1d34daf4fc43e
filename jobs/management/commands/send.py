"""`manage.py send shop/order.placed '{"orderId": 7}'`: send an event from a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from jobs.control.sending import Sent, send_by_hand
from jobs.errors import JobsError
from jobs.events.event import Event
from jobs.lib import json_text
from jobs.lib.excerpts import quoted
from jobs.lib.spelling import did_you_mean
from jobs.management.follow import follow
from jobs.models import RunStatus
from jobs.registry import catalog
from jobs.runs.standstill import standstill
from jobs.runs.state import runs_of

PATIENCE = 300.0  # seconds of --wait, unless told otherwise
INTERRUPTED = 130  # as a shell says it of Ctrl-C


class Command(BaseCommand):
    help = "Send an event, and say which runs it has started. With --wait, follow them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the event's name, such as shop/order.placed")
        parser.add_argument(
            "data", nargs="?", default="{}", help="a JSON object; - reads it from standard input"
        )
        parser.add_argument("--id", default="", help="yours: a repeat within 24 h starts nothing")
        parser.add_argument(
            "--ts", type=moment, default=0, help="its time: ISO 8601 with a zone, or Unix ms"
        )
        parser.add_argument(
            "--wait",
            type=positive,
            nargs="?",
            const=PATIENCE,
            metavar="SECONDS",
            help=f"follow the runs until they have ended, for {PATIENCE:.0f} s unless told "
            "otherwise; the exit code is 1 if one does not end well",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        try:
            event = Event(name=name, data=read(options["data"]), id=options["id"], ts=options["ts"])
            sent = send_by_hand(event)
        except JobsError as problem:
            raise CommandError(f"Nothing was sent. {problem}") from None
        if self.report(event, sent) and options["wait"] is not None:
            self.follow(sent.id, options["wait"])

    def report(self, event: Event, sent: Sent) -> bool:
        """Returns whether it has started a run."""
        if sent.is_known:
            self.stdout.write(
                f"An event with the id {quoted(event.id)} came within the last 24 hours, so this "
                f"one has started nothing. The first one is {sent.id}."
            )
        else:
            self.stdout.write(f"Sent “{event.name}” as event {sent.id}.")
        runs = runs_of(sent.id)
        if not runs:
            self.stdout.write(f"It has started no run. {why_none(event.name)}")
            return False
        self.stdout.write(f"It has started {len(runs)} run{'' if len(runs) == 1 else 's'}:")
        for run in runs:
            self.stdout.write(f"  {run.fn_id}  {run.id}  {run.status}")
        return True

    def follow(self, event_id: str, limit: float) -> None:
        if obstacle := standstill():
            self.stderr.write(f"Runs are not being taken up: {obstacle}.")
        try:
            states = follow(event_id, self.stdout.write, limit)
        except KeyboardInterrupt:
            raise CommandError("The runs go on.", returncode=INTERRUPTED) from None
        late = [state for state in states if state.is_unfinished]
        bad = [state for state in states if state.status != RunStatus.COMPLETED]
        if late:
            raise CommandError(f"{len(late)} of {len(states)} runs go on after {limit:g} s.")
        if bad:
            raise CommandError(f"{len(bad)} of {len(states)} runs did not end well.")


def read(given: str) -> Any:
    """CommandError points to what is wrong."""
    text = sys.stdin.read() if given == "-" else given
    try:
        return json_text.parse(text)
    except json_text.NotJson as problem:
        raise CommandError(f"Nothing was sent. {problem}{pointer(text, problem)}") from None


def pointer(text: str, problem: json_text.NotJson) -> str:
    """The line, and a mark beneath the place."""
    if not problem.line:
        return ""
    line = text.split("\n")[problem.line - 1]
    start = max(problem.column - 60, 0)
    return f"\n  {line[start : start + 76]}\n  {' ' * (problem.column - 1 - start)}^"


def why_none(name: str) -> str:
    listening = [function.fn_id for function, _ in catalog.triggered_by(name)]
    if listening:
        which = ", ".join(f"“{fn_id}”" for fn_id in listening)
        return f"The condition (if_exp) of {which} is not met by it."
    functions = catalog.all_functions()
    names = sorted({t.event for f in functions for t in catalog.event_triggers(f)})
    return f"No function is triggered by “{name}”.{did_you_mean(name, names)}"


def moment(text: str) -> datetime | int:
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        when = parse_datetime(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise ArgumentTypeError(
            f"{quoted(text)} is no time: give Unix milliseconds, or ISO 8601 with a zone, such as "
            "2030-01-31T12:00:00Z"
        )
    return when


def positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{quoted(text)} is no number of seconds above 0")
    return seconds
