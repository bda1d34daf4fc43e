"""Cron lines, `TZ=Europe/Paris 0 12 * * 5`: what they mean, read by cronsim.

Five fields (minute, hour, day of month, month, day of week), after them nothing, before them a
time zone or nothing, which is UTC. As Debian's cron has it where clocks are set forward or back:

- a line that names its hour (`30 2 * * *`) comes once a day: in the night that has no 2:30, at
  the moment of the change (3:00); in the night that has two, at the first of them;
- a line whose minute or hour begins with `*` goes by elapsed time: it has no tick in an hour that
  is left out, and ticks in both passes of an hour that is repeated.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from jobs.errors import InvalidFunction
from jobs.excerpts import quoted

LONGEST = 255
FORM = (
    "Five fields are allowed (minute, hour, day of month, month, day of week), with a time zone "
    "before them if it is not UTC: “TZ=Europe/Paris 0 12 * * 5”"
)
ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a cron line ticks. Moments are aware datetimes, and come back in UTC."""

    fields: str
    zone: tzinfo

    def after(self, moment: datetime) -> datetime:
        """The first tick later than `moment`."""
        ticks = CronSim(self.fields, moment.astimezone(self.zone))
        # In the second pass of a repeated hour cronsim begins with the first pass's tick.
        return next(tick for tick in (t.astimezone(UTC) for t in ticks) if tick > moment)

    def latest(self, moment: datetime) -> datetime:
        """The last tick that is not later than `moment`."""
        past = moment.astimezone(self.zone) + timedelta(microseconds=1)
        ticks = CronSim(self.fields, past, reverse=True)
        return next(tick for tick in (t.astimezone(UTC) for t in ticks) if tick <= moment)


def timetable(line: str) -> Timetable:
    """Read a cron line; raises InvalidFunction, which says what is wrong with it."""
    if not isinstance(line, str) or len(line) > LONGEST:
        raise InvalidFunction(
            f"cron={quoted(line)}: a text of at most {LONGEST} characters is allowed. {FORM}."
        )
    return _read(line)


@functools.cache
def _read(line: str) -> Timetable:
    zone_name, fields = _parts(line)
    zone = _zone(line, zone_name) if zone_name is not None else UTC
    if len(fields) != 5:
        raise InvalidFunction(f"cron={line!r}: it has {len(fields)} fields. {FORM}.")
    found = Timetable(" ".join(fields), zone)
    try:
        found.after(ANY_TIME)
    except CronSimError as error:
        reason = str(error).removeprefix("Bad ")
        raise InvalidFunction(f"cron={line!r}: its {reason} cannot be read. {FORM}.") from None
    except (StopIteration, OverflowError):
        raise InvalidFunction(f"cron={line!r}: there is no such day. {FORM}.") from None
    return found


def _parts(line: str) -> tuple[str | None, list[str]]:
    words = line.split()
    if words and words[0].startswith("TZ="):
        return words[0].removeprefix("TZ="), words[1:]
    return None, words


def _zone(line: str, name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"; did you mean “{close[0]}”?" if close else ", such as “Europe/Paris”."
        raise InvalidFunction(
            f"cron={line!r}: no time zone is called “{name}”. Allowed are the names of the IANA "
            f"database{hint}"
        ) from None
