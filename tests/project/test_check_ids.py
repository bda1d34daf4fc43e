"""The ids of the system checks: a site that silences one problem silences no other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from django.conf import settings

APPS = ("jobs", "songs", "melodymaker")
GIVEN = re.compile(r'\bid="((?:' + "|".join(APPS) + r')\.[EWI]\d{3})"')


def test_each_problem_that_a_check_reports_has_an_id_of_its_own():
    sources = [path for app in APPS for path in (Path(settings.BASE_DIR) / app).rglob("*.py")]
    given = Counter(id for path in sources for id in GIVEN.findall(path.read_text()))
    assert {"jobs.E001", "jobs.W003", "melodymaker.E001"} <= set(given)
    assert [id for id, places in given.items() if places > 1] == []
