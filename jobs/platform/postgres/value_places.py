"""Whether a statement's values mean the same to the server as they do in its text.

A bound value has a type of its own, and the text's has not: with a bound float a sum of money is
computed as a float, `2 * 300` may be out of a smallint's range, a function that takes anything does
not know what it gets, and two equal values are two. So values are bound where the column beside
them says what they are, and with any other place all values of the statement stay in its text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any


class Places(Enum):
    OTHER = 0
    COLUMNS = 1
    SUMS = 2  # as well: `"credits" = ("credits" - %s)`


COLUMN = r'(?:(?:"[^"]+"|[A-Z]+\d+)\.)?"[^"]+"'
VALUE = r"(?:%s|\(%s\))(?:::[\w ]+(?:\(\d+\))?\[\])?"  # an array's has its type
ROW = rf"\((?:{VALUE}|DEFAULT)(?:, (?:{VALUE}|DEFAULT))*\)"
BESIDE_COLUMNS = re.compile(
    rf"{COLUMN}(?:::text)? (?:=|<>|<=?|>=?|LIKE|~\*?) {VALUE}"
    r"(?= AND | OR | ORDER BY | LIMIT | FOR | RETURNING | WHERE |, |\)|$)"
    rf"|{COLUMN} IN \(%s(?:, %s)*\)"
    rf"|{COLUMN} BETWEEN %s AND %s"
    rf"|UPPER\({COLUMN}::text\) LIKE UPPER\(%s\)"
    rf"|(?<= VALUES ){ROW}(?:, {ROW})*"
    rf"|(?<= UNNEST)\({VALUE}(?:, {VALUE})*\)"
)
SUM = re.compile(r'("[^"]+") = \((?:"[^"]+"\.)?\1 [-+] %s\)')
COMPARED = ("SELECT DISTINCT", " GROUP BY ")  # with each other (Django's ticket 34255)


def are_bindable(query: str, values: Sequence[Any]) -> bool:
    places = _places(query)
    if places is Places.SUMS:
        return not any(isinstance(value, float) for value in values)
    return places is Places.COLUMNS


@lru_cache(maxsize=512)
def _places(query: str) -> Places:
    if any(word in query for word in COMPARED):
        return Places.OTHER
    without, sums = SUM.subn("", query) if query.startswith("UPDATE ") else (query, 0)
    rest = BESIDE_COLUMNS.sub("", without)
    if "%" in rest.replace("%%", ""):
        return Places.OTHER
    return Places.SUMS if sums else Places.COLUMNS
