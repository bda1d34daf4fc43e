"""The Range header, read as RFC 9110 §14 says, for a file of 1,000 bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songs.ranges import RangeNotSatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-99", range(0, 100)),
        ("bytes=0-0", range(0, 1)),
        ("bytes=999-999", range(999, 1000)),
        ("bytes=500-", range(500, 1000)),
        ("bytes=0-", range(0, 1000)),
        ("bytes=-1", range(999, 1000)),
        ("bytes=-1000", range(0, 1000)),
        ("bytes=-5000", range(0, 1000)),
        ("bytes=900-5000", range(900, 1000)),
        ("Bytes=1-2", range(1, 3)),
        ("bytes= 1-2 ", range(1, 3)),
        (f"bytes=0-{'9' * 5000}", range(0, 1000)),
        (f"bytes=-{'9' * 5000}", range(0, 1000)),
        (f"bytes={'0' * 5000}1-2", range(1, 3)),
    ],
)
def test_one_range_is_sent(header: str, wanted: range) -> None:
    assert parse_range(header, 1000) == wanted


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "items=0-1",
        "bytes=0-1,5-6",
        "0-1",
    ],
)
def test_what_cannot_be_read_is_answered_with_the_whole_file(header: str) -> None:
    assert parse_range(header, 1000) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_past_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 1000)


@given(st.text(max_size=20), st.integers(0, 2000))
def test_no_header_leads_out_of_the_file(tail: str, size: int) -> None:
    try:
        wanted = parse_range("bytes=" + tail, size)
    except RangeNotSatisfiable:
        return
    assert wanted is None or 0 <= wanted.start < wanted.stop <= size


def test_a_start_of_5000_digits_is_past_the_end() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(f"bytes={'9' * 5000}-", 1000)
