"""Where there are no time zones, that is what is said, and what needs none goes on."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from types import ModuleType

import pytest
from django.conf import settings

from jobs.api import InvalidFunction, TriggerCron, create_function
from jobs.errors import NoTimeZones
from jobs.lib import time_zones
from jobs.registry import catalog, discovery
from jobs.registry.cron_expression import _read
from tests.project.test_environment import run

NO_ZONES = """
import runpy, sys
sys.modules["tzdata"] = None  # as if it were not installed
sys.path.insert(0, "")
sys.argv = ["manage.py", "check"]
runpy.run_path("manage.py", run_name="__main__")
"""


@pytest.fixture
def no_zones(monkeypatch) -> Iterator[None]:
    """A Python without a time zone database, the system's or a package's."""
    loaded = [name for name in sys.modules if name.startswith("tzdata.")]
    for name in ["tzdata", *loaded]:
        monkeypatch.setitem(sys.modules, name, None)
    places = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    _read.cache_clear()
    yield
    zoneinfo.reset_tzpath(to=places)


def in_paris(ctx) -> None:
    return None


def test_a_check_names_the_package_that_is_missing() -> None:
    ended = run("-c", NO_ZONES, PYTHONTZPATH="")
    assert ended.returncode == 1
    assert "jobs.E002" in ended.stderr
    assert "no time zone database" in ended.stderr
    assert "pip install tzdata" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_package_is_enough_where_the_system_has_none() -> None:
    ended = run("manage.py", "check", PYTHONTZPATH="")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_line_in_a_zone_does_not_blame_the_zones_name_for_it(no_zones) -> None:
    with pytest.raises(InvalidFunction, match="package “tzdata”") as refusal:
        create_function(fn_id="never", trigger=TriggerCron(cron="TZ=Europe/Paris 0 12 * * 5"))(
            in_paris
        )
    assert "is called" not in str(refusal.value)
    assert not catalog.knows("never")


@pytest.mark.parametrize("line", ["0 12 * * 5", "TZ=UTC 0 12 * * 5"])
def test_a_line_in_utc_needs_no_zones(no_zones, line: str) -> None:
    create_function(fn_id="noon", trigger=TriggerCron(cron=line))(in_paris)
    catalog.unregister("noon")


def test_modules_with_lines_in_zones_are_unknown_and_start_goes_on(no_zones, monkeypatch) -> None:
    def load(name: str) -> ModuleType:
        raise NoTimeZones

    monkeypatch.setattr(discovery, "import_module", load)
    monkeypatch.setattr(discovery, "broken", {})
    discovery._import("shop.functions")
    assert list(discovery.broken) == ["shop.functions"]
    assert [warning.id for warning in discovery.modules(None)] == ["jobs.W001"]


def test_a_check_names_a_zone_of_the_site_that_is_not_there(monkeypatch) -> None:
    monkeypatch.setattr(settings, "TIME_ZONE", "Europe/Pariss")
    (error,) = time_zones.check(None)
    assert error.id == "jobs.E003"
    assert "TIME_ZONE='Europe/Pariss'" in error.msg
    assert "did you mean “Europe/Paris”?" in error.msg


def test_a_zone_that_cannot_be_read_is_no_unknown_name(monkeypatch) -> None:
    def refuses(name: str) -> None:
        raise PermissionError(13, "Permission denied", "/zones/Europe/Rome")

    monkeypatch.setattr(time_zones, "ZoneInfo", refuses)
    with pytest.raises(time_zones.Unknown, match=r"“Europe/Rome” cannot be read: .*denied"):
        time_zones.zone("Europe/Rome")
