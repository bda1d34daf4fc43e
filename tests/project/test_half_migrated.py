"""A database with a part of what one migration replaces is told so before it migrates."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from melodymaker.checks import migrations

pytestmark = pytest.mark.django_db
REPLACED = sorted(MigrationLoader(None).get_migration("jobs", "0001_initial").replaces)


@pytest.fixture
def recorder() -> MigrationRecorder:
    return MigrationRecorder(connection)


def test_a_database_with_all_that_is_replaced_is_fine():
    assert migrations(None, databases=["default"]) == []


def test_so_is_an_empty_one(recorder):
    recorder.Migration.objects.all().delete()
    assert migrations(None, databases=["default"]) == []


def test_no_database_is_asked_that_the_command_does_not_use():
    assert migrations(None, databases=None) == []


def test_so_is_one_that_was_interrupted_after_them(recorder):
    """Django records the name of the migration itself at the end of the command."""
    recorder.record_unapplied("jobs", "0001_initial")
    assert migrations(None, databases=["default"]) == []


def test_no_migration_has_a_name_that_is_replaced():
    """Django would pass it over without a word."""
    loader = MigrationLoader(None)
    for replacing in loader.replacements.values():
        assert not set(replacing.replaces) & set(loader.disk_migrations)


@pytest.mark.parametrize("missing", [REPLACED[-1:], REPLACED[5:]])
def test_a_database_with_a_part_of_it_is_told_what_to_do(recorder, missing):
    for app, name in missing:
        recorder.record_unapplied(app, name)
    (error,) = migrations(None, databases=["default"])
    applied = len(REPLACED) - len(missing)
    assert error.id == "melodymaker.E002"
    assert (
        f"{applied} of the {len(REPLACED)} migrations that jobs.0001_initial replaces" in error.msg
    )
    assert "git log -1 --diff-filter=D --format=%h^ -- jobs/migrations" in error.hint


def test_so_is_one_that_has_the_first_migration_of_an_earlier_version_alone(recorder):
    for app, name in REPLACED:
        recorder.record_unapplied(app, name)
    (error,) = migrations(None, databases=["default"])
    assert error.id == "melodymaker.E002"
    assert f"0001_initial of an earlier version, and none of the {len(REPLACED)} " in error.msg
