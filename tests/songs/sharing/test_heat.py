"""Heat: an order of songs by what was liked lately, which stays right while time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songs.sharing import heat

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.integers(0, 4000).map(lambda hours: START + timedelta(hours=hours))


def of(published: datetime, *likes: datetime) -> float:
    return heat.changed(heat.at(published), published, [(+1, at) for at in likes])


def test_a_like_weighs_half_as_much_as_one_that_came_a_half_life_later() -> None:
    later = START + heat.HALF_LIFE
    assert of(START, later) == pytest.approx(heat.at(START) + 1.5849625)  # log2(1 + 2)
    two_now, one_later = of(START, START, START), of(START, later)
    assert two_now == pytest.approx(one_later)


def test_a_new_song_comes_before_an_old_one_that_was_liked_long_ago() -> None:
    old = of(START, *[START] * 100)
    assert old > of(START + timedelta(days=19))
    assert old < of(START + timedelta(days=21))  # log2(101) half-lives are twenty days


@given(st.lists(DAYS, min_size=1, max_size=20), st.integers(0, 20))
def test_likes_may_be_added_in_any_portions(likes: list[datetime], cut: int) -> None:
    first = of(START, *likes[:cut])
    rest = [(+1, at) for at in likes[cut:]]
    assert heat.changed(first, START, rest) == pytest.approx(of(START, *likes), abs=1e-6)


@given(st.lists(DAYS, max_size=10), DAYS)
def test_a_like_that_is_taken_back_leaves_no_trace(likes: list[datetime], gone: datetime) -> None:
    with_it = of(START, *likes, gone)
    without = heat.changed(with_it, START, [(-1, gone)])
    # A like so much later than all others swallows their digits.
    late = heat.at(gone) - max([heat.at(START), *map(heat.at, likes)])
    assert without == pytest.approx(of(START, *likes), abs=1e-9 * 2 ** max(late, 0) + 1e-6) or (
        late > 30
    )


@given(st.lists(st.tuples(st.sampled_from([1, -1]), DAYS), max_size=30))
def test_heat_is_a_number_and_never_below_that_of_the_publishing(changes) -> None:
    assert heat.at(START) <= heat.changed(heat.at(START), START, changes) < 1e6


def test_plays_change_no_heat() -> None:
    assert heat.changed(5.0, START, [(0, START)]) == 5.0
