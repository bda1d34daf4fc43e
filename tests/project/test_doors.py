"""Every door of the panel, tried by every kind of account: it opens to the permissions of its row
and to nothing less, and no door is without a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver

from songs.models import User
from tests.docs.pages import BASE, rows, section
from tests.jobs.admin.panel import FN
from tests.project.doors import (
    ACCOUNTS,
    CLOSED,
    DOORS,
    FUNCTIONS,
    READ_ONLY,
    RUNS,
    SONGS,
    SUPERUSER,
    TO_BE_READ,
    Door,
)
from tests.support.functions import registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("a_function", "quick")]
# Accounts with one permission each, for the doors of the engine and for those of the product.
ENGINE = [
    *("view_run", "rerun_run", "edit_run", "cancel_run", "change_run", "delete_run"),
    *("view_registeredfunction", "pause_registeredfunction", "change_registeredfunction"),
    *("deal_with_run", "add_handovernote", "view_logentry", "change_logentry"),
    *("view_event", "send_event"),
]
PRODUCT = [
    *("view_user", "add_user", "change_user", "delete_user", "grant_credits", "change_group"),
    *("view_song", "change_song", "delete_song", "delete_category", "change_creditentry"),
    *("view_creditentry", "make_again_song", "listen_song"),
    *("view_publication", "take_down_song"),
]
UNNAMED = {"<path:object_id>/", "(?P<url>.*)$"}  # Django's redirects
WRITES = ("INSERT", "UPDATE", "DELETE")
OF_THE_SESSION = '"django_session"'


@pytest.fixture
def a_function() -> Iterator[None]:
    """The function of the runs that the doors are tried on."""
    with registered(lambda ctx: None, fn_id=FN):
        yield


@pytest.fixture
def quick(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback is written for each of a thousand refusals."""
    caplog.set_level("CRITICAL", "django.request")


Visitor = tuple[str, Client]  # the name is for the message of a test that fails


class Cast:
    """The accounts that try the doors, each made and signed in once."""

    def __init__(self) -> None:
        self._browsers: dict[str, Client] = {}

    def having(self, *codenames: str) -> Visitor:
        """A member of staff with these permissions."""
        return self._visitor("having", *sorted(codenames))

    def lacking(self, *codenames: str) -> Visitor:
        """A member of staff with all permissions that there are, but for these."""
        return self._visitor("lacking", *sorted(codenames))

    def outsider(self) -> Visitor:
        """Every permission, and no member of staff."""
        return self._visitor("outsider")

    def superuser(self) -> Visitor:
        return self._visitor("superuser")

    def _visitor(self, kind: str, *codenames: str) -> Visitor:
        name = " ".join((kind, *codenames))
        if name not in self._browsers:
            self._browsers[name] = Client()
            self._browsers[name].force_login(account(kind, *codenames))
        return name, self._browsers[name]


def account(kind: str, *codenames: str) -> User:
    name = " ".join((kind, *codenames))
    flags = {"is_staff": kind != "outsider", "is_superuser": kind == "superuser"}
    user = User.objects.create(username=name, **flags)
    named = Permission.objects.filter(codename__in=codenames)
    others = Permission.objects.exclude(pk__in=named)
    user.user_permissions.set(named if kind == "having" else others)
    return user


def writes(client: Client, door: Door, obj: Any, method: str = "post") -> list[str]:
    """What a request of this account writes; it is undone."""
    written: list[str] = []
    cookies = client.cookies.copy()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(WRITES) and OF_THE_SESSION not in sql:
            written.append(sql)
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(note):
        getattr(client, method)(door.address(obj), door.fields(obj))
        transaction.set_rollback(True)
    client.cookies = cookies
    return written


def too_little(door: Door, cast: Cast) -> Iterator[Visitor]:
    """Accounts to which the door is shut."""
    yield "a stranger", Client()
    yield cast.outsider()
    if door.needs in (SUPERUSER, CLOSED):
        yield cast.lacking()
    else:
        ones = ENGINE if door.url.startswith("jobs") else PRODUCT
        yield from (cast.having(name) for name in ones if not door.opens_to({name}))
        yield from (cast.lacking(*name.split("/")) for name in door.needs)
    if door.needs == CLOSED:
        yield cast.superuser()


def enough(door: Door, cast: Cast) -> Iterator[Visitor]:
    """Accounts to which it opens."""
    if door.needs != CLOSED:
        yield cast.superuser()
    if door.needs not in (SUPERUSER, CLOSED):
        yield cast.having(*(name.split("/")[0] for name in door.needs))


@pytest.mark.parametrize("doors", [RUNS, FUNCTIONS, ACCOUNTS, SONGS, READ_ONLY])
def test_a_door_opens_to_its_permissions_and_to_nothing_less(doors: list[Door]) -> None:
    cast, wrong = Cast(), []
    for door in doors:
        obj = door.made() if door.made else None
        shut_to = [name for name, client in enough(door, cast) if not writes(client, door, obj)]
        open_to = [name for name, client in too_little(door, cast) if writes(client, door, obj)]
        wrong += [f"{door} is shut to {name}" for name in shut_to]
        wrong += [f"{door} is open to {name}" for name in open_to]
    assert wrong == []


def patterns(entries: Iterable[Any]) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns)
        else:
            yield entry


def test_no_address_of_the_panel_is_without_a_row() -> None:
    entries = list(patterns(admin.site.get_urls()))
    assert {str(entry.pattern) for entry in entries if not entry.name} == UNNAMED
    named = {entry.name for entry in entries if entry.name}
    reads = {name for name in named if name.endswith("_history")} | TO_BE_READ
    lists = {name for name in named if name.endswith("_changelist")}
    assert named - reads - lists == {door.url for door in DOORS} - lists


def test_no_action_of_a_list_is_without_a_row() -> None:
    request = RequestFactory().get("/")
    request.user = account("superuser")
    tried = {(door.url, door.fields(User()).get("action")) for door in DOORS}
    for model, page in admin.site._registry.items():
        url = f"{model._meta.app_label}_{model._meta.model_name}_changelist"
        assert {(url, action) for action in page.get_actions(request)} <= tried
        assert not page.list_editable, "a list that is a form needs a row"
        assert not page.inlines, "a form within a form needs a row"


def test_the_paper_on_rights_tells_of_each_permission_that_opens_a_door() -> None:
    table = section(BASE / "docs/rights.md", "What each permission allows")
    told = {name for row in rows(table) for name in re.findall(r"`[a-z]+\.(\w+)`", row[0])}
    opening = {
        name for door in DOORS if door.needs not in (SUPERUSER, CLOSED) for name in door.needs
    }
    assert {part for name in opening for part in name.split("/")} <= told
    assert set(Permission.objects.values_list("codename", flat=True)) >= told


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_no_door_changes_anything_without_a_post(method: str) -> None:
    _, root = Cast().superuser()
    made = [(door, door.made() if door.made else None) for door in DOORS]
    assert [str(door) for door, obj in made if writes(root, door, obj, method)] == []
