"""Histograms of seconds: 61 counts, with bounds that grow by the square root of two.

Bucket 0 counts below a millisecond, bucket i from BOUNDS[i - 1] to below BOUNDS[i], the last above
eight days. Histograms add up count by count. A percentile, interpolated in its bucket, is wrong by
less than a fifth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BOUNDS = [0.001 * 2 ** (power / 2) for power in range(60)]
BUCKETS = len(BOUNDS) + 1


def bucket_of(seconds: float) -> int:
    return bisect_right(BOUNDS, seconds)


@dataclass(slots=True)
class Histogram:
    """Values by bucket; missing counts are 0."""

    counts: list[int] = field(default_factory=list)

    def add(self, bucket: int, number: int = 1) -> None:
        self.counts.extend([0] * (bucket + 1 - len(self.counts)))
        self.counts[bucket] += number

    def merge(self, counts: Sequence[int]) -> None:
        self.counts.extend([0] * (len(counts) - len(self.counts)))
        for bucket, number in enumerate(counts):
            self.counts[bucket] += number

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def p50(self) -> float | None:
        return self.percentile(0.5)

    @property
    def p95(self) -> float | None:
        return self.percentile(0.95)

    def percentile(self, share: float) -> float | None:
        """Seconds that this share of the values does not exceed; None without values."""
        wanted, below = share * self.total, 0
        for bucket, number in enumerate(self.counts):
            if number and below + number >= wanted:
                low, high = _edges(bucket)
                return low + (high - low) * (wanted - below) / number
            below += number
        return None


def histogram(values: Iterable[float]) -> Histogram:
    made = Histogram()
    for seconds in values:
        made.add(bucket_of(seconds))
    return made


def _edges(bucket: int) -> tuple[float, float]:
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else low * 2**0.5
    return low, high
