"""A slip in the site's settings is said by each command, before anything starts on a default."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.core.checks import run_checks
from django.db import connection

from jobs import conf
from jobs.cluster.cluster_settings import BROKER
from jobs.lib import settings_check
from jobs.lib.secrets import mask
from jobs.platform.postgres import server_checks
from tests.support.site_of_its_own import manage

TABLE = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def said() -> dict[str, str]:
    return {problem.id or "": str(problem.msg) for problem in settings_check.check(None)}


def test_the_table_of_settings_has_every_name():
    paper = (Path(site.BASE_DIR) / "jobs" / "README.md").read_text()
    settings = paper.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(TABLE.findall(settings)) == sorted(conf.NAMES)


def test_the_sites_own_settings_are_sound():
    assert said() == {}


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(settings: Any):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOST": ["a.test"]}
    assert said() == {
        "jobs.E033": "JOBS['ALLOWED_HOST']: the engine has no such setting. Did you mean "
        "“ALLOWED_HOSTS”?"
    }


@pytest.mark.parametrize("given", [None, [], "LEASE"])
def test_jobs_is_a_dict(settings: Any, given: Any):
    settings.JOBS = given
    assert said() == {"jobs.E033": f"JOBS is of type {type(given).__name__}: a dict is allowed."}
    assert conf.lease() == 15.0


# --- secrets ---


def test_a_forgotten_comma_is_said_and_the_secret_is_masked_all_the_same(settings: Any):
    settings.JOBS = {**settings.JOBS, "SECRETS": ("MODAL_KEY")}
    settings.MODAL_KEY = "k3y-of-the-endpoint"
    assert said()["jobs.E001"].startswith('JOBS["SECRETS"] is of type str: a list of the names')
    assert mask("it is k3y-of-the-endpoint") == "it is [MODAL_KEY]"


@pytest.mark.parametrize("entry", [3, None, "sk-live-123456", "", "modal_key"])
def test_what_is_no_name_of_a_setting_is_not_shown(settings: Any, entry: Any):
    settings.JOBS = {**settings.JOBS, "SECRETS": ["MODAL_KEY", entry]}
    sentence = 'JOBS["SECRETS"][1] is not the name of a setting. Write the name in capital letters'
    assert said()["jobs.E001"].startswith(sentence)
    assert "sk-live" not in str(said())
    logging.getLogger("jobs.engine").info("a record is masked without an error")


def test_a_secret_without_a_setting_is_a_warning(settings: Any):
    settings.JOBS = {**settings.JOBS, "SECRETS": ["MODAL_KYE"]}
    assert said() == {
        "jobs.W029": 'JOBS["SECRETS"] names MODAL_KYE, and settings has no MODAL_KYE. Did you mean '
        "“MODAL_KEY”?"
    }


# --- callables ---


@pytest.mark.parametrize("name", conf.CALLABLES)
def test_a_callable_that_is_not_there_is_a_warning(settings: Any, name: str):
    paths = ["jobs.conf.nothing"] if name in ("PANEL_CARDS", "KIND_ACTS") else "jobs.conf.nothing"
    settings.JOBS = {**settings.JOBS, name: paths}
    assert said()["jobs.W030"].startswith(
        f"JOBS[\"{name}\"] names 'jobs.conf.nothing', which cannot be used: ImportError"
    )


# --- the site's other settings ---


def test_times_without_a_zone_are_refused(settings: Any):
    settings.USE_TZ = False
    assert said() == {"jobs.E034": "USE_TZ is off: the engine's times have a zone."}


def test_apps_in_the_other_order_are_refused(monkeypatch):
    apps = [app for app in site.INSTALLED_APPS if app != "django_q"]
    # Not by pytest-django's fixture, which would have each app register its checks once more.
    monkeypatch.setattr(site, "INSTALLED_APPS", ["django_q", *apps])
    (problem,) = [problem for problem in run_checks() if problem.id == "jobs.E036"]
    assert problem.msg.startswith("INSTALLED_APPS names “django_q” before “jobs”")


def test_a_database_without_autocommit_is_told_as_that_and_not_as_a_pool(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    (problem,) = run_checks()
    assert problem.id == "jobs.E037"
    assert server_checks.check(None, databases=["default"]) == []
    assert problem.msg.startswith("DATABASES['default']['AUTOCOMMIT'] is off: ")


def test_clusters_without_the_engines_broker_are_a_warning(settings: Any):
    settings.Q_CLUSTER = {"name": "mine", "orm": "default"}
    assert [problem.id for problem in run_checks()] == ["jobs.W031"]
    settings.Q_CLUSTER["ALT_CLUSTERS"] = {"engine": {"broker_class": BROKER}}
    assert run_checks() == []


@pytest.mark.processes
def test_the_settings_that_the_paper_names_are_enough_for_another_site(tmp_path: Path):
    ended = manage(tmp_path, "check")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.processes
def test_a_cluster_without_the_engines_broker_does_not_start(tmp_path: Path):
    ended = manage(tmp_path, "qcluster", Q_CLUSTER={})
    assert ended.returncode == 1
    assert "CommandError: Q_CLUSTER has broker_class=None" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.processes
@pytest.mark.parametrize("command", ["check --database default", "migrate"])
def test_another_database_than_postgresql_is_refused(tmp_path: Path, command: str):
    other = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    ended = manage(tmp_path, *command.split(), DATABASES=other)
    assert ended.returncode == 1
    assert "(jobs.E035) DATABASES['default'] is sqlite" in ended.stderr
    assert "Traceback" not in ended.stderr
