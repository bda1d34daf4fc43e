"""Parse the Range header (RFC 9110 §14), which Django does not read."""

from __future__ import annotations

import re

ONE_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.ASCII | re.IGNORECASE)
MAX_DIGITS = 18  # of a position in a file; Python refuses to read some thousands of digits


class RangeNotSatisfiable(ValueError):
    """The range begins after the end of the file."""


def parse_range(header: str, size: int) -> range | None:
    """The requested bytes of a file of `size` bytes; None means the whole file.

    Several ranges, other units and malformed headers get the whole file, as the RFC allows. Raises
    RangeNotSatisfiable if the range contains no byte of the file (416).
    """
    match = ONE_RANGE.fullmatch(header)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:  # the last n bytes
        start, end = max(size - _position(last), 0), size
    else:
        start, end = _position(first), min(_position(last) + 1, size) if last else size
        if last and _position(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(header)
    return range(start, end)


def _position(digits: str) -> int:
    """The number; what has more digits than any file's size is past the end of all of them."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= MAX_DIGITS else 10**MAX_DIGITS
