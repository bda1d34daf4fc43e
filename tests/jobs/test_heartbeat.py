"""The keeper's heartbeat: whoever is slow with one run costs the others nothing."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.models import F

from jobs.board import Board
from jobs.claims import claim
from jobs.keeper import Keeper
from jobs.models import Run
from tests.functions import Diary, at_once, go, registered, three_steps

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_that_somebody_is_at_keeps_no_other_from_being_renewed():
    with registered(three_steps(Diary())):
        busy, other = go(), go()
        held = {c.run_id: c.token for c in claim(10)}
    before = dict(Run.objects.values_list("id", "lease_until"))
    with transaction.atomic():
        Run.objects.select_for_update().get(id=busy.id)
        assert at_once(lambda: Keeper(Board(), workers=1)._extend(held)) == [{other.id}]
    assert Run.objects.get(id=other.id).lease_until > before[other.id]
    assert Run.objects.get(id=busy.id).lease_until == before[busy.id]


def test_a_lease_that_is_in_other_hands_is_not_renewed():
    with registered(three_steps(Diary())):
        go()
        (claimed,) = claim(10)
        Run.objects.update(lease_token="00000000-0000-7000-8000-000000000000")
        assert Keeper(Board(), workers=1)._extend({claimed.run_id: claimed.token}) == set()
        assert Run.objects.filter(lease_until__gt=F("started_at")).count() == 1
