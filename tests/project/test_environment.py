"""What the environment got wrong is said in sentences, all at once, before anything starts."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings

from melodymaker.environment import Environment

pytestmark = pytest.mark.processes

BASE = settings.BASE_DIR
PRODUCTION = {
    "DEBUG": "0",
    "HTTPS": "1",
    "ALLOWED_HOSTS": "songs.example.org",
    "DATABASE_URL": "postgres://someone:pa55word@db.example.org/songs?sslmode=verify-full",
    "GENERATE_FROM_DESCRIPTION": "https://endpoint.example.org/generate",
    "MODAL_KEY": "key",
    "MODAL_SECRET": "secret",
    "EMAIL_URL": "smtp+tls://site:pa55word@smtp.example.org:587",
}


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment(tmp_path / ".env")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("read", "given"),
    [
        ("port", "abc"),
        ("port", "0"),
        ("port", "70000"),
        ("whole", "1.5"),
        ("whole", "-1"),
        ("number", "nan"),
        ("number", "inf"),
        ("flag", "maybe"),
        ("url", "ftp://example.org"),
        ("url", "https://"),
        ("url", "https://[::1"),
    ],
)
def test_a_malformed_value_becomes_a_sentence_and_the_default(
    env: Environment, monkeypatch, read: str, given: str
) -> None:
    monkeypatch.setenv("SOMETHING", given)
    default = object()
    assert getattr(env, read)("SOMETHING", default) is default
    assert len(env.problems) == 1
    assert env.problems[0].startswith(f"SOMETHING: “{given}” is not ")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:pa55word@h/d",
        "sqlite:///x",
        "nonsense",
        "postgres://u:pa55word@h:x/d",
        "postgres://u:pa55word@h",
    ],
)
def test_a_database_url_is_never_repeated(env: Environment, monkeypatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert env.database("DATABASE_URL", {}) == {}
    assert "postgres://user:password@host:5432/name" in env.problems[0]
    assert "pa55word" not in env.problems[0]


def test_a_secret_may_begin_with_a_dollar(env: Environment, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "$ecret")
    assert env.text("SECRET_KEY") == "$ecret"


def test_an_empty_value_counts_as_none(env: Environment, monkeypatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert env.port("PORT", 8000) == 8000
    assert env.problems == []


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MELODY_FIRST", "environment")
    monkeypatch.delenv("MELODY_SECOND", raising=False)
    (tmp_path / ".env").write_text("MELODY_FIRST=file\nMELODY_SECOND=file\n")
    env = Environment(tmp_path / ".env")
    assert (env.text("MELODY_FIRST"), env.text("MELODY_SECOND")) == ("environment", "file")
    monkeypatch.delenv("MELODY_SECOND")


def test_check_says_all_problems_at_once_and_no_traceback() -> None:
    wrong = {"PORT": "abc", "DATABASE_URL": "mysql://u:pa55word@h/d", "STUDIO_DELAY": "soon"}
    ended = run("manage.py", "check", **wrong)
    assert ended.returncode == 1
    for name in ("PORT", "DATABASE_URL", "STUDIO_DELAY", "SECRET_KEY", "ALLOWED_HOSTS"):
        assert f"(melodymaker.E001) {name}:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "pa55word" not in ended.stderr


def test_a_value_that_nothing_could_work_with_is_said() -> None:
    wrong = {
        "CLUSTER_WORKERS": "100000",
        "STEP_TIMEOUT": "99999999999",
        "S3_ENDPOINT": "minio",
        "S3_LINK_SECONDS": "604801",
    }
    ended = run("manage.py", "check", S3_BUCKET="songs", **wrong)
    assert ended.returncode == 1
    for name, value in wrong.items():
        assert f"(melodymaker.E001) {name}: “{value}” is not " in ended.stderr


def test_a_server_does_not_start_on_a_configuration_with_problems() -> None:
    ended = run("-c", "import melodymaker.wsgi", PORT="abc")
    assert ended.returncode == 1
    assert "PORT: “abc” is not a port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_productions_settings_pass_djangos_own_inspection() -> None:
    production = {**PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(64)}
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **production)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_demo_accounts_are_refused_in_production() -> None:
    production = {**PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(64)}
    ended = run("manage.py", "demo", **production)
    assert ended.returncode == 1
    assert "known passwords" in ended.stderr


def test_the_servers_password_of_mail_is_never_repeated(env: Environment, monkeypatch) -> None:
    for url in ("ftp://u:pa55word@h", "smtp://", "smtp://u:pa55word@h:x", "nonsense"):
        monkeypatch.setenv("EMAIL_URL", url)
        assert env.mail("EMAIL_URL") == {}
    assert len(env.problems) == 4
    assert all("smtp+tls://user:password@smtp.example.org:587" in said for said in env.problems)
    assert "pa55word" not in str(env.problems)


def test_mail_is_read_from_one_url(env: Environment, monkeypatch) -> None:
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://site:p%40ss@smtp.example.org:2525")
    read = env.mail("EMAIL_URL")
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"]) == ("smtp.example.org", 2525)
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("site", "p@ss")
    assert read["EMAIL_USE_TLS"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"EMAIL_URL": ""}, "EMAIL_URL: missing."),
        ({"SIGN_UP": "code"}, "SIGN_UP_CODE: SIGN_UP=code needs a code"),
        ({"SIGN_UP": "code", "SIGN_UP_CODE": "short"}, "SIGN_UP_CODE: SIGN_UP=code needs a code"),
        ({"SIGN_UP": "everyone"}, "SIGN_UP: “everyone” is not one of closed, code, open."),
    ],
)
def test_what_accounts_need_in_production_is_said(given: dict[str, str], sentence: str) -> None:
    production = {**PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(64), **given}
    ended = run("manage.py", "check", **production)
    assert (ended.returncode, f"(melodymaker.E001) {sentence}" in ended.stderr) == (1, True)


@pytest.mark.parametrize(
    ("debug", "decided", "settings_are"),
    [
        ("1", {}, "open False console"),
        ("0", {}, "closed True smtp"),
        ("0", {"SIGN_UP": "Open"}, "open True smtp"),
    ],
)
def test_production_is_closed_until_decided_and_asks_staff_for_a_second_factor(
    debug: str, decided: dict[str, str], settings_are: str
) -> None:
    mail = {} if debug == "1" else {"EMAIL_URL": PRODUCTION["EMAIL_URL"]}
    read = (
        "from melodymaker import settings as s; "
        "print(s.SIGN_UP, s.STAFF_SECOND_FACTOR, s.EMAIL_BACKEND.split('.')[-2])"
    )
    ended = run("-c", read, **{**PRODUCTION, "EMAIL_URL": "", "DEBUG": debug, **mail, **decided})
    assert ended.stdout.strip() == settings_are


def test_every_variable_is_explained_in_the_example() -> None:
    source = (BASE / "melodymaker" / "settings.py").read_text()
    read = set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', source))
    lines = (BASE / ".env.example").read_text().splitlines()
    shown = {}
    for above, line in pairwise(lines):
        if found := re.match(r"# ([A-Z0-9_]+)=", line):
            shown[found[1]] = above
    assert len(read) > 20
    assert set(shown) == read
    assert [name for name, above in shown.items() if not re.match(r"# [A-Z].*\w", above)] == []
