"""Every page of the panel, read by each role: it opens to its roles alone, and a viewer reads no
words of listeners."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from jobs.models import Fetch, LogLine, Run
from songs.models import CreditEntry, Song, SongStatus, User
from songs.sharing import publishing
from tests.project.doors import a_limit, a_refusal
from tests.support import rows
from tests.support.cast import a_song, listener

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_files")]
roles = import_module("songs.migrations.0001_initial")

VIEWER, OPERATOR, SUPPORT, ROOT = "Viewers", "Operators", "Support", "superuser"
STAFF = {VIEWER, OPERATOR, SUPPORT, ROOT}
ENGINE = {VIEWER, OPERATOR, ROOT}
PRODUCT = {SUPPORT, ROOT}
SUPERUSER = {ROOT}
ACTS = {OPERATOR, ROOT}

# Each page that is read with GET, and the roles to which it opens. A page that has a form of its
# own opens to those that may send it.
PAGES: dict[str, set[str]] = {
    **dict.fromkeys(["index", "tables", "password_change", "password_change_done"], STAFF),
    **dict.fromkeys(["hand_over", "hand_over_text"], STAFF),
    **dict.fromkeys(["jobs_run_changelist", "jobs_run_change", "jobs_run_failures"], STAFF),
    **dict.fromkeys(["jobs_run_history", "jobs_event_history"], STAFF),
    **dict.fromkeys(["jobs_event_changelist", "jobs_event_change"], STAFF),
    **{
        f"jobs_{model}_{page}": ENGINE
        for model in ("registeredfunction", "cluster")
        for page in ("changelist", "change", "history")
    },
    "jobs_run_edit": {OPERATOR, ROOT},
    "jobs_run_output": {OPERATOR, SUPPORT, ROOT},
    **dict.fromkeys(["jobs_event_send", "jobs_registeredfunction_invoke"], ACTS),
    "admin_logentry_changelist": {OPERATOR, ROOT},
    **{
        f"songs_{model}_{page}": ACTS
        for model in ("limit", "limitcount")
        for page in ("changelist", "change", "history")
    },
    **{
        f"songs_{model}_{page}": PRODUCT
        for model in ("user", "song", "creditentry", "category", "publication")
        for page in ("changelist", "change", "history")
    },
    **dict.fromkeys(["songs_creditbalance_changelist", "songs_creditbalance_history"], PRODUCT),
    **dict.fromkeys(["songs_creditbalance_change"], PRODUCT),
    **dict.fromkeys(["songs_song_audio", "songs_song_cover", "songs_song_again"], PRODUCT),
    **{
        f"songs_publication_{page}": PRODUCT
        for page in ("audio", "cover", "take_down", "put_back", "dismiss")
    },
    **dict.fromkeys(["songs_song_refund", "songs_user_grant_credits"], PRODUCT),
    **dict.fromkeys(["songs_user_add", "songs_user_delete", "songs_song_delete"], SUPERUSER),
    **dict.fromkeys(["songs_category_delete", "auth_user_password_change"], SUPERUSER),
    **{f"auth_group_{page}": {ROOT} for page in ("changelist", "change", "add", "delete")},
    "auth_group_history": {ROOT},
}
# What has no page: posts alone, files of scripts, ways in and out, and what is shut for all.
NO_PAGE = {
    *("jobs_run_rerun", "jobs_run_cancel", "jobs_run_deal", "jobs_run_deal_kind"),
    *("jobs_registeredfunction_state", "jobs_registeredfunction_replay", "jobs_event_again"),
    *("songs_creditbalance_check", "admin_logentry_history", "hand_over_note"),
    *("jsi18n", "autocomplete", "view_on_site", "app_list", "login", "logout"),
    "jobs_run_result",  # of a bulk action that has just been done
}
SHUT = ("add", "change", "delete")
WORDS = "Biscuit the secret dog"


@pytest.fixture
def own_files(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def groups() -> None:
    """A test that truncates tables takes the migration's groups along."""
    Group.objects.filter(name__in=roles.GROUPS).delete()
    roles.make_groups(apps)


@pytest.fixture
def things(groups: None) -> dict[str, Any]:
    """One of each thing that has a page, full of a listener's words."""
    biscuit = listener("biscuit-owner")
    song = a_song(biscuit, WORDS, title=WORDS)
    for key in (song.s3_key, song.thumbnail_s3_key):
        default_storage.save(key, ContentFile(b"x"))
    event = rows.make_event(data={"songId": str(song.pk), "userId": biscuit.pk, "title": WORDS})
    run = rows.completed_run(event=event)
    Run.objects.filter(pk=run.pk).update(output={"said": WORDS}, turn_keys=[f"x:0:{WORDS}"])
    Fetch.objects.filter(run=run).update(body=WORDS, response_head={"start": WORDS})
    LogLine.objects.filter(run=run).update(message=WORDS)
    run.steps.update(output={"said": WORDS})
    Song.objects.filter(pk=song.pk).update(event_id=event.pk)
    publication = publishing.publish(song, title=WORDS, byline="biscuit-owner")
    return {
        "jobs_run": run,
        "jobs_event": event,
        "jobs_registeredfunction": rows.make_function(),
        "jobs_cluster": rows.make_cluster("melodymaker:1"),
        "songs_user": biscuit,
        "songs_song": song,
        "songs_publication": publication,
        "songs_creditentry": CreditEntry.objects.first(),
        "songs_creditbalance": biscuit,
        "songs_category": song.categories.create(name="Waltz", folded="waltz"),
        "songs_limitcount": a_refusal(),
        "songs_limit": a_limit(),
        "auth_group": Group.objects.first(),
        "auth_user": biscuit,
    }


def account(role: str) -> Client:
    """A browser of the role; empty for a stranger."""
    client = Client()
    if role == "stranger":
        return client
    user = User.objects.create(username=role, is_staff=role in STAFF, is_superuser=role == ROOT)
    if role in roles.GROUPS:
        user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def names(entries: Any) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from names(entry.url_patterns)
        elif isinstance(entry, URLPattern) and entry.name:
            yield entry.name


def address(name: str, things: dict[str, Any]) -> str:
    whole = ("_changelist", "_add", "_failures", "_send")
    of = next((key for key in things if name.startswith(key)), None)
    args = [] if of is None or name.endswith(whole) else [things[of].pk]
    if name == "jobs_run_output":
        args.append(things[of].steps.filter(status="completed").first().pk)
    return reverse(f"admin:{name}", args=args)


def test_no_page_is_without_its_roles() -> None:
    known = set(names(admin.site.get_urls())) - NO_PAGE - set(PAGES)
    assert {name for name in known if not name.endswith(SHUT)} == set()


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, SUPPORT, ROOT])
def test_a_page_opens_to_its_roles_and_to_no_other(things: dict[str, Any], role: str) -> None:
    client, wrong = account(role), []
    Song.objects.filter(pk=things["songs_song"].pk).update(status=SongStatus.FAILED)
    for name, allowed in PAGES.items():
        status = client.get(address(name, things)).status_code
        expected = (200, 302) if role in allowed else (403,)
        wrong += [f"{name}: {status}"] if status not in expected else []
    assert wrong == []


@pytest.mark.parametrize("role", ["stranger", "listener"])
def test_outsiders_are_sent_to_the_sign_in_from_every_page(
    things: dict[str, Any], role: str
) -> None:
    client = account(role)
    for name in PAGES:
        answer = client.get(address(name, things))
        assert (answer.status_code, "/admin/login/" in answer["Location"]) == (302, True), name


def test_a_viewer_reads_no_words_of_listeners(things: dict[str, Any]) -> None:
    client = account(VIEWER)
    for name in (name for name, allowed in PAGES.items() if VIEWER in allowed):
        page = client.get(address(name, things), follow=True).content.decode()
        assert WORDS not in page, name
        assert "biscuit-owner" not in page, name
    for text in (WORDS, "biscuit-owner", f"key:{WORDS}"):
        page = client.get("/admin/jobs/run/", {"q": text}).content.decode()
        assert str(things["jobs_run"].pk) not in page, text


@pytest.mark.parametrize("role", [OPERATOR, SUPPORT])
def test_those_that_may_see_payloads_read_them(things: dict[str, Any], role: str) -> None:
    client = account(role)
    page = client.get(address("jobs_run_change", things)).content.decode()
    assert page.count(WORDS) >= 5
    page = client.get("/admin/jobs/run/", {"q": "biscuit-owner"}).content.decode()
    assert str(things["jobs_run"].pk) in page
    assert ("/admin/songs/user/" in page) == (role == SUPPORT)


def test_a_migration_has_made_the_groups_with_their_permissions(groups: None) -> None:
    for name, wanted in roles.GROUPS.items():
        found = Group.objects.get(name=name).permissions
        rows = found.values_list("content_type__app_label", "codename")
        assert sorted(".".join(row) for row in rows) == sorted(wanted)


def test_the_audit_logs_permission_is_the_one_that_django_would_make(groups: None) -> None:
    """The migration makes it before its table is there, and Django finds it later."""
    Permission.objects.filter(codename="view_logentry").delete()
    roles.make_groups(apps)
    made = Permission.objects.get(codename="view_logentry")
    assert made.name == f"Can view {LogEntry._meta.verbose_name}"
    create_permissions(apps.get_app_config("admin"), verbosity=0)
    assert Permission.objects.get(codename="view_logentry") == made


def test_a_group_that_was_changed_stays_as_it_is(groups: None) -> None:
    for name in (VIEWER, OPERATOR, SUPPORT):
        Group.objects.get(name=name).permissions.clear()
    roles.make_groups(apps)
    for name in (VIEWER, OPERATOR, SUPPORT):
        assert not Group.objects.get(name=name).permissions.exists()


def test_the_boxes_of_permissions_offer_those_that_mean_something(
    things: dict[str, Any],
) -> None:
    client = account(ROOT)
    for page in ("auth_group_change", "songs_user_change"):
        form = client.get(address(page, things)).context["adminform"].form
        name = "permissions" if page.startswith("auth") else "user_permissions"
        offered = {p.codename for p in form.fields[name].queryset}
        assert {"view_payload", "rerun_run", "grant_credits", "view_logentry"} <= offered
        assert not {"add_run", "change_run", "delete_creditentry", "view_session"} & offered
    wanted = {name.split(".")[1] for listed in roles.GROUPS.values() for name in listed}
    assert wanted <= offered
    assert Permission.objects.count() > len(offered)
