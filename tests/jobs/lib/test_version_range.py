"""A package whose insides the engine uses is told if its version is not a tested one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.checks import run_checks

from jobs import apps
from jobs.cluster import django_q_version
from jobs.lib.version_range import VersionRange
from jobs.platform.http import connection
from jobs.platform.ipc import process_tree
from jobs.platform.postgres import django_internals
from jobs.registry import cel_library

FENCES = {
    "jobs.W022": (django_q_version, "django-q2"),
    "jobs.W025": (connection, "urllib3"),
    "jobs.W026": (django_internals, "Django"),
    "jobs.I001": (process_tree, "Python"),
    "jobs.W028": (cel_library, "common-expression-language"),
}


def range_of(installed: str) -> VersionRange:
    return VersionRange("lamp", lambda: installed, (2, 8), (3, 0), "test.W001", "It may go out.")


@pytest.mark.parametrize("installed", ["2.8", "2.8.0", "2.8.0rc1", "2.99.1", "2.9+x"])
def test_a_tested_version_is_no_news(installed):
    assert range_of(installed).untested() == ""
    assert range_of(installed).warnings() == []


@pytest.mark.parametrize("installed", ["2.7.9", "3", "3.0.0", "3.0a1", "12.8", "0.10", "unknown"])
def test_another_version_is_a_warning_that_says_what_happens(installed):
    (warning,) = range_of(installed).warnings()
    assert warning.id == "test.W001"
    assert warning.msg == (
        f"lamp {installed} is not tested with the engine; versions from 2.8 and below 3.0 are. "
        "It may go out."
    )


def test_the_check_looks_at_each_package_whose_insides_are_used():
    found = {tested.id: tested.package for tested in apps._leant_on()}
    assert found == {id: package for id, (_, package) in FENCES.items()}
    assert {message.id for message in run_checks()} & set(FENCES) == set()


@pytest.mark.parametrize(("fence", "package"), FENCES.values(), ids=FENCES)
def test_each_untested_package_is_a_message_of_its_own(fence, package, monkeypatch):
    other = replace(fence.TESTED, installed=lambda: "99.1")
    monkeypatch.setattr(fence, "TESTED", other)
    (warning,) = [message for message in run_checks() if message.id in FENCES]
    assert warning.id == fence.TESTED.id
    assert warning.msg.startswith(f"{package} 99.1 is not tested with the engine; ")
    assert warning.msg.endswith(fence.TESTED.otherwise)
