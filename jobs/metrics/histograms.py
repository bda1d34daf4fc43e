"""Small histograms of seconds: 61 counts, whose bounds grow by the square root of two.

Bucket 0 counts what took less than a millisecond, bucket i what took BOUNDS[i - 1] seconds or more
and less than BOUNDS[i], the last one what took more than eight days. Two histograms are added by
adding their counts. A percentile is exact to its bucket and interpolated inside it, so it is wrong
by less than a fifth either way, and by much less where many values lie in one bucket.
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
    """How many values lie in each bucket; `counts` may be shorter than BUCKETS, the rest is 0."""

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
        """Seconds that this share of the values does not exceed; None of no values."""
        wanted, below = share * self.total, 0
        for bucket, number in enumerate(self.counts):
            if number and below + number >= wanted:
                low, high = _edges(bucket)
                return low + (high - low) * (wanted - below) / number
            below += number
        return None


def histogram(values: Iterable[float]) -> Histogram:
    """A histogram of these seconds."""
    made = Histogram()
    for seconds in values:
        made.add(bucket_of(seconds))
    return made


def _edges(bucket: int) -> tuple[float, float]:
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else low * 2**0.5
    return low, high
