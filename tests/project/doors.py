"""Every door of the panel that a POST can go through, with the permissions that open it.

A row is a door and an object: the address, the form, and the permissions that an account needs, all
of them; of “a/b” one. `SUPERUSER` stands for what no permission opens, `CLOSED` for what is shut
for superusers too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from jobs import api
from jobs.models import Cluster, Event, RegisteredFunction, Run
from songs.limits import counts
from songs.limits.rules import RULES
from songs.models import (
    Category,
    CreditBalance,
    CreditEntry,
    Limit,
    LimitCount,
    Publication,
    Song,
    SongStatus,
    User,
)
from songs.sharing import publishing, reports
from tests.jobs.admin.panel import FN
from tests.support import rows
from tests.support.cast import PASSWORD, a_song, listener, staff

NUMBERS = itertools.count(1)
SUPERUSER, CLOSED = frozenset({"superuser"}), frozenset({"closed"})


@dataclass(frozen=True)
class Door:
    """`made` makes the object; `form` may be made of it."""

    url: str
    needs: frozenset[str]
    made: Callable[[], Any] | None = None
    form: dict[str, Any] | Callable[[Any], dict[str, Any]] = field(default_factory=dict)
    about: str = ""

    def __str__(self) -> str:
        action = self.form.get("action", "") if isinstance(self.form, dict) else self.about
        return " ".join(filter(None, [self.url, action or self.about]))

    def opens_to(self, codenames: set[str]) -> bool:
        return all(codenames & set(name.split("/")) for name in self.needs)

    def address(self, obj: Any) -> str:
        of_none = ("_changelist", "_add", "_kind")
        args = [] if obj is None or self.url.endswith(of_none) else [obj.pk]
        return reverse(f"admin:{self.url}", args=args)

    def fields(self, obj: Any) -> dict[str, Any]:
        form = self.form(obj) if callable(self.form) else self.form
        chosen = {"_selected_action": [str(obj.pk)]} if self.url.endswith("_changelist") else {}
        return {**chosen, **form}


def needs(*codenames: str) -> frozenset[str]:
    return frozenset(codenames)


# --- the objects ---


def failed() -> Run:
    return rows.failed_run(fn_id=FN)


def unfinished() -> Run:
    return rows.backing_off_run(fn_id=FN)


def _over(run: Run, status: str) -> Run:
    Run.objects.filter(pk=run.pk).update(status=status, due_at=None, ended_at=rows.now())
    return Run.objects.get(pk=run.pk)


def bulk_cancel() -> Run:
    return _over(Run.objects.get(pk=api.bulk("cancel", everything=True)), "failed")


def bulk_retry() -> Run:
    return _over(Run.objects.get(pk=api.bulk("retry", everything=True)), "failed")


def canceller() -> Run:
    event = rows.make_event(name="test/stop")
    return rows.make_run(
        event=event, fn_id="jobs-cancel-on", status="failed", ended_at=rows.now(), turns_held=0
    )


def a_function() -> RegisteredFunction:
    return rows.make_function(FN)


def one_that_skipped() -> RegisteredFunction:
    rows.make_run(fn_id=FN, status="skipped", ended_at=rows.now())
    return a_function()


def canceller_that_skipped() -> RegisteredFunction:
    rows.make_run(fn_id="jobs-cancel-on", status="skipped", ended_at=rows.now())
    return rows.make_function("jobs-cancel-on")


def an_act() -> LogEntry:
    return LogEntry.objects.create(user=colleague(), action_flag=CHANGE, object_repr="a run")


def in_an_hour(obj: Any) -> dict[str, str]:
    return {
        "text": "a note",
        "until": f"{timezone.localtime() + timedelta(hours=1):%Y-%m-%dT%H:%M}",
    }


def new_listener() -> User:
    return listener(f"new-{next(NUMBERS)}", credits_=0)


def colleague() -> User:
    return staff(f"colleague-{next(NUMBERS)}")


def boss() -> User:
    return User.objects.create_superuser(f"boss-{next(NUMBERS)}")


def with_ledger() -> User:
    return listener(f"payer-{next(NUMBERS)}")


def a_group() -> Group:
    return Group.objects.create(name=f"clerks-{next(NUMBERS)}")


def made_song() -> Song:
    return a_song(new_listener())


def failed_song() -> Song:
    return a_song(with_ledger(), status=SongStatus.FAILED)


def staffs_song() -> Song:
    return a_song(colleague(), status=SongStatus.FAILED)


def a_balance() -> CreditBalance:
    return CreditBalance.objects.get(pk=new_listener().pk)


def song_in_the_making() -> Song:
    return a_song(new_listener(), status=SongStatus.PROCESSING)


def a_publication() -> Publication:
    song = made_song()
    return publishing.publish(song, title="Cats", byline="")


def reported() -> Publication:
    publication = a_publication()
    reports.report(publication, "a stranger", kind="spam", words="", reporter=None)
    return publication


def taken_down() -> Publication:
    publication = a_publication()
    publishing.take_down(publication, why="a copy", by=colleague())
    return publication


def a_category() -> Category:
    name = f"waltz-{next(NUMBERS)}"
    return Category.objects.create(name=name, folded=name)


def an_entry() -> CreditEntry:
    return with_ledger().credit_entries.get()


def a_limit() -> Limit:
    """A test that truncates tables takes the rows along that migrations made."""
    return Limit.objects.get_or_create(name="orders-account")[0]


def a_refusal() -> LimitCount:
    counts.note([counts.Asked(RULES["orders-network"], f"203.0.113.{next(NUMBERS)}")])
    return LimitCount.objects.latest("id")


def a_cluster() -> Cluster:
    return rows.make_cluster(f"melodymaker:{next(NUMBERS)}")


def an_event() -> Event:
    return rows.make_event()


# --- the rows ---

NEW = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
SET = {k: NEW[k] for k in ("password1", "password2", "usable_password")}
GRANT = {"amount": "5", "why": "the night"}
YES = {"post": "yes"}
WHY = {"why": "the night"}
EDITED = {"event_data": '{"tempo": "slow"}'}


def email_of(user: User) -> dict[str, Any]:
    return {"username": user.username, "email": "n@example.com", "is_active": "on"}


def chosen(action: str, **more: str) -> dict[str, str]:
    return {"action": action, **YES, **more}


RERUN, CANCEL = needs("view_run", "rerun_run"), needs("view_run", "cancel_run")
EDIT = needs("view_run", "view_payload", "edit_run")
DEAL = needs("view_run", "deal_with_run")
RERUNS = [{"from": "failed-step"}, {"from": "start"}, {"from": "step", "step": "call-modal-api"}]

RUNS = [
    *(Door("jobs_run_rerun", RERUN, failed, form, form["from"]) for form in RERUNS),
    *(
        Door("jobs_run_rerun", RERUN | CANCEL, made, form, f"{made.__name__} {form['from']}")
        for made in (bulk_cancel, canceller)
        for form in RERUNS[:2]
    ),
    Door("jobs_run_rerun", RERUN, bulk_retry, RERUNS[1], "bulk_retry"),
    Door("jobs_run_edit", EDIT, failed, EDITED),
    Door("jobs_run_edit", EDIT | CANCEL, canceller, EDITED, "canceller"),
    Door("jobs_run_edit", CLOSED, bulk_retry, EDITED, "the engine's own event"),
    Door("jobs_run_cancel", CANCEL, unfinished),
    Door("jobs_run_deal", DEAL, failed, {"sentence": "Known."}),
    Door("jobs_run_deal_kind", DEAL, failed, {"sentence": "Known.", "kind": ""}),
    Door("jobs_run_changelist", RERUN, failed, chosen("retry_selected")),
    Door(
        "jobs_run_changelist",
        RERUN | CANCEL,
        bulk_cancel,
        lambda run: chosen("retry_selected"),
        "retry_selected, of what cancels",
    ),
    Door(
        "jobs_run_changelist",
        RERUN,
        failed,
        lambda run: chosen("retry_selected", post="all"),
        "retry_selected, by the engine",
    ),
    Door("jobs_run_changelist", CANCEL, unfinished, chosen("cancel_selected")),
    Door(
        "jobs_run_changelist",
        CANCEL,
        unfinished,
        lambda run: chosen("cancel_selected", post="all"),
        "cancel_selected, by the engine",
    ),
]
PAUSE = needs("view_registeredfunction", "pause_registeredfunction")
REPLAY = needs("view_registeredfunction", "view_run", "rerun_run")
SEND = needs("view_event", "send_event")
START = needs("view_registeredfunction", "view_run", "send_event")
FUNCTIONS = [
    Door(
        "jobs_registeredfunction_state",
        PAUSE,
        a_function,
        {"to": "paused", "reason": "why"},
        "paused",
    ),
    Door(
        "jobs_registeredfunction_state",
        PAUSE,
        a_function,
        {"to": "still", "reason": "why"},
        "still",
    ),
    Door("hand_over_note", needs("view_run", "add_handovernote"), form=in_an_hour),
    Door("jobs_registeredfunction_replay", REPLAY, one_that_skipped),
    Door("jobs_registeredfunction_replay", REPLAY | CANCEL, canceller_that_skipped, about="cancel"),
    Door("jobs_registeredfunction_invoke", START, a_function, EDITED),
    Door("jobs_event_send", SEND, form={"name": "test/go"} | EDITED),
    Door("jobs_event_send", CLOSED, form={"name": "jobs/go"} | EDITED, about="the engine's own"),
    Door("jobs_event_again", SEND, an_event),
]
ACCOUNTS = [
    Door("songs_user_add", needs("add_user", "change_user"), form=NEW),
    Door("songs_user_change", needs("change_user"), new_listener, email_of, "listener"),
    Door("songs_user_change", SUPERUSER, colleague, email_of, "colleague"),
    Door("songs_user_change", SUPERUSER, boss, email_of, "superuser"),
    Door("songs_user_delete", needs("delete_user"), new_listener, YES, "listener"),
    Door("songs_user_delete", needs("delete_user"), with_ledger, YES, "with a ledger"),
    Door("songs_user_delete", SUPERUSER, colleague, YES, "colleague"),
    Door("songs_user_delete", SUPERUSER, boss, YES, "superuser"),
    *(
        Door("auth_user_password_change", SUPERUSER, made, SET, made.__name__)
        for made in (new_listener, colleague, boss)
    ),
    Door("songs_user_grant_credits", needs("grant_credits"), new_listener, GRANT, "listener"),
    Door("songs_user_grant_credits", SUPERUSER, colleague, GRANT, "colleague"),
    Door("songs_user_grant_credits", SUPERUSER, boss, GRANT, "superuser"),
    *(
        Door(
            "songs_user_changelist",
            needs("view_user/change_user", permission) if made is new_listener else SUPERUSER,
            made,
            lambda user, action=action: chosen(action),
            f"{action}, {made.__name__}",
        )
        for action, permission in [
            ("close_accounts", "change_user"),
            ("delete_selected", "delete_user"),
        ]
        for made in (new_listener, colleague, boss)
    ),
    Door("auth_group_add", SUPERUSER, form={"name": "chiefs"}),
    Door("auth_group_change", SUPERUSER, a_group, {"name": "chiefs"}),
    Door("auth_group_delete", SUPERUSER, a_group, YES),
    Door("auth_group_changelist", SUPERUSER, a_group, chosen("delete_selected")),
]
SONGS = [
    Door("songs_song_add", CLOSED),
    Door("songs_song_change", needs("change_song"), made_song, {"title": "Cats"}),
    Door("songs_song_delete", needs("delete_song"), made_song, YES),
    Door("songs_song_delete", CLOSED, song_in_the_making, YES, "in the making"),
    Door(
        "songs_song_changelist",
        needs("view_song/change_song", "delete_song"),
        made_song,
        chosen("delete_selected"),
    ),
    Door("songs_song_again", needs("make_again_song"), failed_song),
    Door("songs_song_again", SUPERUSER, staffs_song, about="of staff"),
    Door("songs_song_refund", needs("grant_credits"), failed_song, WHY),
    Door("songs_song_refund", SUPERUSER, staffs_song, WHY, "of staff"),
    Door("songs_song_refund", CLOSED, song_in_the_making, WHY, "in the making"),
    Door(
        "songs_song_changelist",
        needs("view_song/change_song", "grant_credits"),
        failed_song,
        chosen("refund_listeners", **WHY),
    ),
    Door(
        "songs_song_changelist",
        SUPERUSER,
        staffs_song,
        lambda song: chosen("refund_listeners", **WHY),
        "refund_listeners, of staff",
    ),
    Door("songs_publication_take_down", needs("take_down_song"), a_publication, WHY),
    Door("songs_publication_put_back", needs("take_down_song"), taken_down),
    Door("songs_publication_dismiss", needs("take_down_song"), reported),
    Door("songs_creditbalance_check", needs("view_user/change_user", "view_creditentry")),
    Door("songs_category_add", CLOSED),
    Door("songs_category_change", needs("change_category"), a_category, {"name": "Waltzes"}),
    Door("songs_category_delete", needs("delete_category"), a_category, YES),
    Door(
        "songs_category_changelist",
        needs("view_category/change_category", "delete_category"),
        a_category,
        chosen("delete_selected"),
    ),
]
LIMITS = [
    Door("songs_limit_add", CLOSED),
    Door("songs_limit_change", needs("change_limit"), a_limit, {"most": "7"}),
    Door("songs_limit_delete", CLOSED, a_limit, YES),
]
READ_ONLY = [
    Door(f"{model}_{door}", CLOSED, None if door == "add" else made, YES)
    for model, made in {
        "jobs_run": failed,
        "jobs_event": an_event,
        "jobs_registeredfunction": a_function,
        "jobs_cluster": a_cluster,
        "songs_creditentry": an_entry,
        "songs_creditbalance": a_balance,
        "songs_limitcount": a_refusal,
        "songs_publication": a_publication,
        "admin_logentry": an_act,
    }.items()
    for door in ("add", "change", "delete")
]
DOORS = [*RUNS, *FUNCTIONS, *ACCOUNTS, *SONGS, *LIMITS, *READ_ONLY]

# What changes nothing of anybody's: pages to be read, and each account's own sign-in and password.
TO_BE_READ = {
    *("index", "app_list", "jsi18n", "autocomplete", "view_on_site", "password_change_done"),
    *("login", "logout", "password_change"),
    *("songs_song_audio", "songs_song_cover", "jobs_run_output"),
    *("songs_publication_audio", "songs_publication_cover"),
    *("tables", "hand_over", "hand_over_text", "jobs_run_failures", "jobs_run_result"),
}
