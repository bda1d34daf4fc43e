"""A configuration that would be half production's, weak or known to strangers does not start."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from melodymaker import demo_accounts, production, wsgi
from songs.models import User
from tests.project.test_environment import PRODUCTION as GIVEN
from tests.project.test_environment import run

PRODUCTION = {**GIVEN, "SECRET_KEY": secrets.token_urlsafe(64)}


def check(**changes: str | None) -> str:
    """What `manage.py check` says of production's variables with these changes."""
    changed = {**PRODUCTION, **changes}
    ended = run("manage.py", "check", **{name: v for name, v in changed.items() if v is not None})
    assert ended.returncode == ("(melodymaker.E001)" in ended.stderr)
    assert "Traceback" not in ended.stderr
    return ended.stderr


WRONG: dict[str, tuple[dict[str, str | None], str]] = {
    "hosts without a database": (
        {"DATABASE_URL": None, "DEBUG": None},
        "DATABASE_URL: missing, while ALLOWED_HOSTS, HTTPS are production's.",
    ),
    "no debug, no database": ({"DATABASE_URL": None}, "DATABASE_URL: missing, while DEBUG is off."),
    "a short key": ({"SECRET_KEY": "x"}, "SECRET_KEY: what is set has 1 characters"),
    "a key of one letter": ({"SECRET_KEY": "x" * 60}, "1 different ones"),
    "the key of development": (
        {"SECRET_KEY": "development-only-key"},
        "SECRET_KEY: strangers know what is set.",
    ),
    "a key that Django made": (
        {"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(50)},
        "SECRET_KEY: strangers know what is set.",
    ),
    "no endpoint": ({"GENERATE_FROM_DESCRIPTION": None}, "GENERATE_FROM_DESCRIPTION: missing."),
    "the studio's keys": ({"MODAL_KEY": "studio-key"}, "what is set is the studio's"),
    "keys in clear": (
        {"GENERATE_FROM_DESCRIPTION": "http://endpoint.example.org/"},
        "http:// would send the keys to endpoint.example.org in clear.",
    ),
    "a database in clear": (
        {"DATABASE_URL": "postgres://u:pa55word@db.example.org/songs"},
        "DATABASE_URL: db.example.org is another host, and sslmode=prefer",
    ),
    "one of several in clear": (
        {"DATABASE_URL": "postgres://u:pa55word@localhost,db2/songs?sslmode=allow"},
        "DATABASE_URL: db2 is another host, and sslmode=allow",
    ),
    "a direct database in clear": (
        {"DATABASE_LISTEN_URL": "postgres://u:pa55word@10.0.0.7/songs"},
        "DATABASE_LISTEN_URL: 10.0.0.7 is another host",
    ),
    "a proxy without a number": ({"BEHIND_PROXY": "1", "PROXIES": "0"}, "PROXIES: 0"),
}


@pytest.mark.processes
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_configuration_is_refused_in_a_sentence(wrong: str) -> None:
    changes, sentence = WRONG[wrong]
    said = check(**changes)
    assert sentence in said
    assert "pa55word" not in said


RIGHT: dict[str, dict[str, str | None]] = {
    "production": {},
    "a database on this machine": {"DATABASE_URL": "postgres://u:p@127.0.0.1/songs"},
    "a database behind a socket": {"DATABASE_URL": "postgres://u@/songs?host=/run/postgresql"},
    "an endpoint in a network of ours": {
        "GENERATE_FROM_DESCRIPTION": "http://endpoint:8000/generate",
        "JOBS_PRIVATE_HOSTS": "endpoint",
    },
    "behind a proxy": {"BEHIND_PROXY": "1"},
    "a development machine with hosts of its own": {
        "DATABASE_URL": None,
        "DEBUG": "1",
        "SECRET_KEY": "x",
        "HTTPS": "0",
    },
}


@pytest.mark.processes
@pytest.mark.parametrize("right", RIGHT)
def test_a_right_configuration_is_none_of_that(right: str) -> None:
    assert check(**RIGHT[right]) == ""


@pytest.mark.processes
@pytest.mark.parametrize("command", ["-c\nimport melodymaker.wsgi", "manage.py\nqcluster"])
def test_neither_site_nor_cluster_starts_on_a_known_key(command: str) -> None:
    known = {**PRODUCTION, "SECRET_KEY": "development-only-key"}
    ended = run(*command.splitlines(), **known)
    assert ended.returncode == 1
    assert "SECRET_KEY: strangers know what is set." in ended.stderr


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "/run/postgresql", "", "@x"])
def test_this_machine_has_many_names(host: str) -> None:
    assert production.is_local(host)


# --- accounts that strangers know ---


@pytest.fixture
def accounts(db: None, settings: Any) -> None:
    settings.DEBUG = True
    call_command("demo", verbosity=0)
    settings.DEBUG = False


def problems() -> list[str]:
    found = run_checks(databases=["default"])
    return [problem.msg for problem in found if problem.id == "melodymaker.E003"]


@pytest.mark.usefixtures("accounts")
def test_accounts_with_known_passwords_are_refused_in_production() -> None:
    assert [name for name in ("admin", "demo") for said in problems() if f"“{name}”" in said] == [
        "admin",
        "demo",
    ]


@pytest.mark.usefixtures("accounts")
def test_with_other_passwords_or_closed_they_are_accounts_like_others() -> None:
    admin = User.objects.get(username="admin")
    admin.set_password(secrets.token_urlsafe())
    admin.save()
    User.objects.filter(username="demo").update(is_active=False)
    assert problems() == []


@pytest.mark.usefixtures("accounts")
def test_a_development_machine_may_have_them(settings: Any) -> None:
    settings.DEBUG = True
    assert problems() == []


@pytest.mark.usefixtures("accounts")
def test_the_site_refuses_to_start_on_them(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    assert wsgi.problems() == [demo_accounts.problem(name) for name in ("admin", "demo")]
