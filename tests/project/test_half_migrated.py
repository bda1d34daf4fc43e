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


@pytest.mark.parametrize("missing", [REPLACED[-1:], REPLACED[5:], REPLACED])
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
