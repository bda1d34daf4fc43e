"""How a secret may be spelled in a text that another program passed on.

1. Each character as it is, in the other case, or escaped, maybe twice, by JSON, JavaScript,
   Python's repr(), HTML, percent-encoding or UTF-8 read as Latin-1, also mixed.
2. In hexadecimal or Base64, also amid other bytes, as Basic authentication's “user:value”.

Not found: values in pieces, reversed, compressed, encrypted, or in another encoding.
"""

from __future__ import annotations

import html.entities
import re
import struct
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from itertools import groupby
from urllib.parse import quote

MAX_CHARACTER = 48  # characters: four bytes, each as \\\\\\\\xf0
SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
QUOTABLE = "\"'/`"  # may follow a backslash
BACKSLASHES = r"\\\\{0,7}"  # several, if escaped again
PERCENT = r"%(?:25){0,2}"
ENTITIES: dict[str, list[str]] = {}
for _name, _character in html.entities.html5.items():
    if _name.endswith(";"):
        ENTITIES.setdefault(_character, []).append(_name.removesuffix(";"))


def pattern_of(value: str) -> re.Pattern[str]:
    """Each alternative begins with a literal, so that `re` leaps to candidates."""
    units = []
    for character, run in groupby(value):
        count = len(list(run))
        if character == "\\":  # one unit, so that a run has one reading
            escaped = "|".join([*_in_percent(character), *_in_html(character)])
            units.append(rf"(?:\\{{{count},{8 * count}}}|(?:{escaped}){{{count}}})")
        else:
            units += [f"(?:{'|'.join(_spellings(character))})"] * count
    return re.compile("".join(units))


def plain(value: str) -> set[str]:
    """A lower-case text with the unescaped value holds one of these."""
    return {value.lower(), _bytes(value).decode("latin-1").lower()}


def encoded(value: str) -> list[str]:
    data = _bytes(value)
    cores = [*_cores(data, b64encode), *_cores(data, urlsafe_b64encode)]
    escaped = [text for core in cores for text in (quote(core, safe=""), core.replace("/", r"\/"))]
    return list(dict.fromkeys([*cores, *escaped, data.hex(), data.hex().upper()]))


def _spellings(character: str) -> list[str]:
    misread = _bytes(character).decode("latin-1")
    plain = [character, character.lower(), character.upper(), misread]
    ways = [re.escape(way) for way in plain]
    ways += [*_in_percent(character), *_with_backslashes(character), *_in_html(character)]
    return list(dict.fromkeys(ways))


def _in_percent(character: str) -> Iterator[str]:
    """As in a URL or form, maybe encoded again (%25C3)."""
    yield "".join(f"{PERCENT}{_hex(byte)}" for byte in _bytes(character))
    if 127 < ord(character) < 256:
        yield f"{PERCENT}{_hex(ord(character))}"
    if character == " ":
        yield r"\+"


def _with_backslashes(character: str) -> Iterator[str]:
    code = ord(character)
    pairs = character.encode("utf-16-be", "surrogatepass")
    halves = struct.unpack(f">{len(pairs) // 2}H", pairs)
    yield "".join(f"{BACKSLASHES}u{_hex(half, 4)}" for half in halves)
    yield f"{BACKSLASHES}U{_hex(code, 8)}"
    yield "".join(f"{BACKSLASHES}x{_hex(byte)}" for byte in _bytes(character))
    if code < 256:
        yield f"{BACKSLASHES}x{_hex(code)}"
    if character in SHORT_ESCAPES:
        yield BACKSLASHES + SHORT_ESCAPES[character]
    if character in QUOTABLE:
        yield BACKSLASHES + re.escape(character)


def _in_html(character: str) -> Iterator[str]:
    """Maybe escaped again (&amp;quot;)."""
    code = ord(character)
    names = [f"#0{{0,5}}{code}", f"#[xX]0{{0,5}}{_hex(code, 1)}"]
    names += [re.escape(name) for name in ENTITIES.get(character, ())]
    yield f"&(?:amp;){{0,2}}(?:{'|'.join(names)});"


def _hex(number: int, digits: int = 2) -> str:
    written = f"{number:0{digits}x}"
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in written)


def _cores(data: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """Base64 at each offset, without characters that hold a neighbour's bits."""
    for before in range(3):
        first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        yield encode(b"\0" * before + data).decode()[first:end]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
