"""Cron lines, `TZ=Europe/Paris 0 12 * * 5`, as moments; cronsim reads the fields.

When clocks are set, as in Debian's cron:

- a line that names its hour (`30 2 * * *`) ticks once a day: in a night without 2:30 at the change
  (3:00), in one with two at the first;
- a line whose minute or hour begins with `*` goes by elapsed time: it skips a left-out hour, and
  ticks in both passes of a repeated one.

Clocks may leave out or repeat any stretch: half an hour, midnight, a day.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from jobs.errors import InvalidFunction, NoTimeZones
from jobs.lib import time_zones
from jobs.lib.excerpts import quoted

MAX_LENGTH = 255
FORM = (
    "Five fields are allowed (minute, hour, day of month, month, day of week), with a time zone "
    "before them if it is not UTC: “TZ=Europe/Paris 0 12 * * 5”"
)
NO_SUCH_DAY = "no month that it names has such a day, so it would never tick"
ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
STRIDE = timedelta(days=1)  # no zone has set its clocks twice in a day since 1970


@dataclass(frozen=True, slots=True)
class Timetable:
    """A moment is an aware datetime, returned in UTC; a wall is a clock's time in the zone."""

    fields: str
    zone: tzinfo

    def after(self, moment: datetime) -> datetime:
        """The first tick later than `moment`."""
        moment = moment.astimezone(UTC)
        if self._goes_by_elapsed_time:
            return self._elapsed_after(moment)
        ticks = map(self._moment, self._walls(self._wall(moment)))
        return next(tick for tick in ticks if tick > moment)

    def latest(self, moment: datetime) -> datetime:
        """The last tick up to `moment`."""
        moment = moment.astimezone(UTC)
        if self._goes_by_elapsed_time:
            return self._elapsed_latest(moment)
        # In the second pass of a repeated hour, the ticks of the first are over.
        begin = self._wall(moment) + self._repeated(moment)
        ticks = map(self._moment, self._walls_back(begin))
        return next(tick for tick in ticks if tick <= moment)

    @property
    def _goes_by_elapsed_time(self) -> bool:
        return any(field.startswith("*") for field in self.fields.split()[:2])

    def _elapsed_after(self, moment: datetime) -> datetime:
        """If clocks are set before the tick, start again there."""
        wall = self._wall(moment)
        while True:
            tick = self._as_set_at(moment, next(self._walls(wall)))
            change = self._first_change(moment, tick)
            if change is None:
                return tick
            moment, wall = change, self._wall(change) - SECOND  # the change itself may be a tick

    def _elapsed_latest(self, moment: datetime) -> datetime:
        while True:
            tick = self._as_set_at(moment, next(self._walls_back(self._wall(moment))))
            change = self._last_change(tick, moment)
            if change is None:
                return tick
            moment = change - MICROSECOND

    # --- the calendar, as cronsim reads it ---

    def _walls(self, wall: datetime) -> Iterator[datetime]:
        return CronSim(self.fields, wall)

    def _walls_back(self, wall: datetime) -> Iterator[datetime]:
        return CronSim(self.fields, wall + MICROSECOND, reverse=True)

    # --- the clocks ---

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _as_set_at(self, moment: datetime, wall: datetime) -> datetime:
        """When a clock that runs on from `moment` shows this."""
        return wall.replace(tzinfo=UTC) - self._offset(moment)

    def _repeated(self, moment: datetime) -> timedelta:
        """How much the clocks repeat, if `moment` is in either pass."""
        local = moment.astimezone(self.zone)
        first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
        return max((first or timedelta()) - (second or timedelta()), timedelta())

    def _moment(self, wall: datetime) -> datetime:
        """When the clocks first show this wall; if never, when they are set."""
        local = wall.replace(tzinfo=self.zone)
        moment = local.astimezone(UTC)
        if self._wall(moment) == wall:
            return moment
        return self._first_change(local.replace(fold=1).astimezone(UTC), moment) or moment

    def _first_change(self, since: datetime, until: datetime) -> datetime | None:
        while self.zone is not UTC and since < until:
            step = min(since + STRIDE, until)
            if self._offset(since) != self._offset(step):
                return self._change(since, step)
            since = step
        return None

    def _last_change(self, since: datetime, until: datetime) -> datetime | None:
        while self.zone is not UTC and since < until:
            step = max(until - STRIDE, since)
            if self._offset(step) != self._offset(until):
                return self._change(step, until)
            until = step
        return None

    def _change(self, before: datetime, after: datetime) -> datetime:
        old = self._offset(before)
        before, after = before.replace(microsecond=0), after.replace(microsecond=0)
        while after - before > SECOND:
            middle = (before + (after - before) / 2).replace(microsecond=0)
            before, after = (middle, after) if self._offset(middle) == old else (before, middle)
        return after


def timetable(line: str) -> Timetable:
    """Raises InvalidFunction."""
    if not isinstance(line, str) or len(line) > MAX_LENGTH:
        raise InvalidFunction(
            f"cron={quoted(line)}: a text of at most {MAX_LENGTH} characters is allowed. {FORM}."
        )
    return _read(line)


@functools.cache
def _read(line: str) -> Timetable:
    zone_name, fields = _parts(line)
    zone = _zone(line, zone_name) if zone_name is not None else UTC
    if len(fields) != 5:
        count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise InvalidFunction(f"cron={line!r}: it has {count}. {FORM}.")
    found = Timetable(" ".join(fields), zone)
    try:
        found.after(ANY_TIME)
    except CronSimError as error:
        if _never_comes(fields):
            raise InvalidFunction(f"cron={line!r}: {NO_SUCH_DAY}.") from None
        reason = str(error).removeprefix("Bad ")
        raise InvalidFunction(f"cron={line!r}: its {reason} cannot be read. {FORM}.") from None
    except (StopIteration, OverflowError):
        raise InvalidFunction(f"cron={line!r}: {NO_SUCH_DAY}.") from None
    return found


def _never_comes(fields: list[str]) -> bool:
    """As the 31st of February, of which cronsim says what it says of the 32nd: it reads the day
    beside any month, and the month beside any day."""
    minute, hour, day, month, weekday = fields
    try:
        CronSim(" ".join([minute, hour, day, "*", weekday]), ANY_TIME)
        CronSim(" ".join([minute, hour, "*", month, weekday]), ANY_TIME)
    except CronSimError:
        return False
    return True


def _parts(line: str) -> tuple[str | None, list[str]]:
    words = line.split()
    if words and words[0].startswith("TZ="):
        return words[0].removeprefix("TZ="), words[1:]
    return None, words


def _zone(line: str, name: str) -> tzinfo:
    try:
        return time_zones.zone(name)
    except time_zones.Missing as error:
        raise NoTimeZones(f"cron={line!r}: {error}.") from None
    except time_zones.Unknown as error:
        raise InvalidFunction(f"cron={line!r}: {error}") from None
