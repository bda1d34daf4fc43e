"""Acts of operators, read from Django's log, where an act on many objects has an entry for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from jobs.lib.excerpts import excerpt

MAX_READ = 5_000  # log entries that a page reads
MAX_MATCHING = 1_000  # … and takes
MAX_SHOWN = 100  # acts on a page
MAX_TARGETS = 20  # of an act
MAX_GAP = timedelta(seconds=60)  # between two entries of one act
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FLAGS = {1: "Added.", 2: "Changed.", 3: "Deleted."}

Key = tuple[object, ...]
Allowed = Callable[[str], bool]  # given a permission


@dataclass(frozen=True, slots=True)
class Target:
    """`url` is empty if the account may not go there or the object is gone."""

    name: str
    url: str


@dataclass(slots=True)
class Act:
    at: datetime  # of its last entry
    by: str
    what: str
    kind: str  # of its objects, as “run”
    kinds: str  # … in the plural
    number: int = 0
    targets: list[Target] = field(default_factory=list)  # the first MAX_TARGETS
    begun: datetime | None = None

    @property
    def on(self) -> str:
        """“run generate-song-event 0199…”, “55 runs”."""
        if self.number == 1 and self.targets:
            return self.targets[0].name
        return f"{self.number:,} {self.kinds}"


@dataclass(frozen=True, slots=True)
class ActsPage:
    """Newest first. `older`: the log's id below which the next page begins; None at the end."""

    acts: list[Act]
    older: int | None


def read_acts(may: Allowed, wanted: Q | None = None, before: int | None = None) -> ActsPage:
    """The wanted acts (by default all) below the entry `before`. At most MAX_READ entries are
    read: an empty page may have older ones. Three queries."""
    entries = _matching(_below(before), wanted)
    found, last = _grouped(entries, may)
    if last is None and len(entries) == MAX_MATCHING:
        last = entries[-1].pk
    if last is None:
        last = _below(before).values_list("id", flat=True)[MAX_READ - 1 : MAX_READ].first()
    return ActsPage(found, last)


def acts_since(may: Allowed, since: datetime) -> list[Act]:
    """At most MAX_SHOWN acts, from at most MAX_READ entries. Two queries."""
    return _grouped(_matching(_below(None), Q(action_time__gte=since)), may)[0]


def _below(before: int | None) -> QuerySet[LogEntry]:
    log = LogEntry.objects.order_by("-id")
    return log if before is None else log.filter(id__lt=before)


def act_text(entry: LogEntry) -> str:
    return entry.get_change_message() or FLAGS.get(entry.action_flag, "–")


def target(entry: LogEntry, may: Allowed) -> Target:
    kind = entry.content_type.name if entry.content_type else "object"
    name = excerpt(f"{kind} {entry.object_repr}", 120)
    url = None if entry.is_deletion() or not _may_see(entry, may) else entry.get_admin_url()
    return Target(name, url or "")


def _matching(log: QuerySet[LogEntry], wanted: Q | None) -> list[LogEntry]:
    """With accounts, each read once, and content types, which Django remembers."""
    read = LogEntry.objects.filter(id__in=log.values("id")[:MAX_READ]).order_by("-id")
    entries = list((read if wanted is None else read.filter(wanted))[:MAX_MATCHING])
    users = get_user_model()._default_manager.in_bulk({entry.user_id for entry in entries})
    for entry in entries:
        entry.user = users[entry.user_id]
        if entry.content_type_id is not None:
            entry.content_type = ContentType.objects.get_for_id(entry.content_type_id)
    return entries


def _grouped(entries: Iterable[LogEntry], may: Allowed) -> tuple[list[Act], int | None]:
    found: list[Act] = []
    open_acts: dict[Key, Act] = {}
    last = None
    for entry in entries:
        key = _key(entry)
        act = open_acts.get(key)
        if act is None or (act.begun or act.at) - entry.action_time > MAX_GAP:
            if len(found) == MAX_SHOWN:
                return found, last
            act = open_acts[key] = _new(entry)
            found.append(act)
        _add(act, entry, may)
        last = entry.pk
    return found, None


def _new(entry: LogEntry) -> Act:
    kind = entry.content_type.name if entry.content_type else "object"
    model = entry.content_type.model_class() if entry.content_type else None
    kinds = str(model._meta.verbose_name_plural) if model else f"{kind}s"
    return Act(entry.action_time, str(entry.user), act_text(entry), kind, kinds)


def _add(act: Act, entry: LogEntry, may: Allowed) -> None:
    act.number += 1
    act.begun = entry.action_time
    if act.number == 2:
        act.what = UUID.sub("…", act.what)
    if len(act.targets) < MAX_TARGETS:
        act.targets.append(target(entry, may))


def _key(entry: LogEntry) -> Key:
    said = UUID.sub("…", act_text(entry))
    return entry.user_id, entry.content_type_id, entry.action_flag, said


def _may_see(entry: LogEntry, may: Allowed) -> bool:
    if entry.content_type is None:
        return False
    app, model = entry.content_type.app_label, entry.content_type.model
    return any(may(f"{app}.{act}_{model}") for act in ("view", "change"))
