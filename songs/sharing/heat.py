"""Heat: how much a song was liked lately, as a number whose order needs no clock.

A like at the time t weighs 2^(t / HALF_LIFE). The weights of all likes of a song are summed, and
its publishing counts as one like. Of two songs the one with the larger sum was liked more lately: a
like weighs half as much as one that came HALF_LIFE later, at whatever time the songs are compared.
So a stored sum stays right while time passes, and an index can keep the order.

The sums are huge, so the heat is their binary logarithm: about the number of half-lives since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import log2

HALF_LIFE = timedelta(days=3)
SMALLEST = -1000.0  # a smaller power of two would not be a float


def at(moment: datetime) -> float:
    """The heat of one like at this moment."""
    return moment.timestamp() / HALF_LIFE.total_seconds()


def changed(heat: float, published_at: datetime, changes: Iterable[tuple[int, datetime]]) -> float:
    """The heat after likes (+1) and likes taken back (−1), each with the time of the like.

    It never sinks below that of the publishing.
    """
    likes = [(sign, at(moment)) for sign, moment in changes if sign]
    if not likes:
        return heat
    base = at(published_at)
    top = max(heat, *(like for _, like in likes))
    weight = _power(heat - top) + sum(sign * _power(like - top) for sign, like in likes)
    return top + log2(max(weight, _power(base - top)))


def _power(exponent: float) -> float:
    return 2.0 ** max(exponent, SMALLEST)
