"""A text is masked, then cut: wherever a secret lies in it, and however it is written."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.lib.excerpts import both_ends, excerpt, quoted
from jobs.lib.secrets import mask, mask_begun, names_in

SECRET = "wk-Canary+51/c2==q"
PIECE = 4  # characters of a secret in a row, of which none may be left


@pytest.fixture(autouse=True)
def _secret(settings) -> None:
    settings.MODAL_KEY, settings.MODAL_SECRET = SECRET, 'a "ü"\\ \n𝄞<&>'


def has_a_piece(text: str, secret: str = SECRET) -> bool:
    pieces = (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1))
    return any(piece.lower() in text.lower() for piece in pieces)


# --- where it lies --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [5, 17, 60, 300])
def test_no_piece_of_a_secret_is_left_wherever_the_text_is_cut(limit: int) -> None:
    for offset in range(limit + 2):
        text = "." * offset + SECRET + "." * 900
        for short in (excerpt(text, limit), quoted(text, limit), both_ends(text, limit)):
            assert not has_a_piece(short), offset


def test_no_piece_is_left_where_masks_are_shorter_than_what_they_mask() -> None:
    for offset in range(40):
        assert not has_a_piece(excerpt("." * offset + SECRET * 500, 300))
        assert not has_a_piece(excerpt("." * offset + quote(SECRET, safe="") * 500, 300))


def test_a_text_without_secrets_is_cut_as_ever() -> None:
    assert excerpt("x" * 300) == "x" * 300
    assert excerpt("x" * 301) == "x" * 299 + "…"
    assert excerpt("one two three", 9, at_word=True) == "one two…"
    assert both_ends("a" * 50 + "b" * 51, 100) == f"{'a' * 50}\n… 1 characters cut …\n{'b' * 50}"


def test_the_beginning_of_a_large_body_is_looked_at_and_not_all_of_it(monkeypatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(
        "jobs.lib.excerpts.mask_up_to", lambda end, text: looked_at.append(len(text)) or text[:end]
    )
    excerpt("x" * 4_000_000, 300)
    [size] = looked_at
    assert size < 10_000


class Mute:
    def __repr__(self) -> str:
        raise ValueError


def test_what_cannot_be_written_is_told_by_its_type() -> None:
    assert quoted(Mute()) == "something of type Mute"
    assert quoted(type(SECRET, (Mute,), {})()) == "something of type [MODAL_KEY]"


@pytest.mark.parametrize("step", [1, 3, 7, 40])
def test_a_text_that_comes_in_pieces_is_masked_like_the_whole(step: int) -> None:
    """What can be masked so far, and the rest, to which the next piece is added."""
    text = "".join("." * n + SECRET for n in range(30)) + quote(SECRET, safe="")
    told, rest = "", ""
    for at in range(0, len(text), step):
        masked, rest = mask_begun(rest + text[at : at + step])
        told += masked
    assert told + mask(rest) == mask(text)


# --- how it is written ----------------------------------------------------------------------------

WAYS = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "JSON": json.dumps,
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "JSON of PHP": lambda s: json.dumps(s).replace("/", r"\/"),
    "JSON of .NET": lambda s: re.sub(r"[+<&>]", lambda m: rf"\u{ord(m[0]):04X}", json.dumps(s)),
    "repr": repr,
    "repr of bytes": lambda s: repr(s.encode()),
    "percent": lambda s: quote(s, safe=""),
    "percent, lower case": lambda s: quote(s, safe="").replace("%2F", "%2f"),
    "percent of percent": lambda s: quote(quote(s, safe=""), safe=""),
    "a form": quote_plus,
    "all in percent": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "HTML": html.escape,
    "HTML of HTML": lambda s: html.escape(html.escape(s)),
    "HTML in numbers": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML in hexadecimal": lambda s: "".join(f"&#x{ord(c):04x};" for c in s),
    "UTF-8 as Latin-1": lambda s: s.encode().decode("latin-1"),
    "escaped for ASCII": lambda s: s.encode("ascii", "backslashreplace").decode(),
    "hexadecimal": lambda s: s.encode().hex(),
    "Base64": lambda s: base64.b64encode(s.encode()).decode(),
    "Basic authentication": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    "Base64 for URLs": lambda s: base64.urlsafe_b64encode(f"us:{s}~".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["MODAL_KEY", "MODAL_SECRET"])
def test_a_secret_is_masked_however_it_is_written(settings, way: str, name: str) -> None:
    written = WAYS[way](getattr(settings, name))
    masked = mask(f"before {written} after")
    assert re.fullmatch(rf"before \W?.{{0,12}}\[{name}\].{{0,12}}\W? after", masked), masked
    assert names_in(written) == [name]


def test_secrets_that_overlap_are_both_masked(settings) -> None:
    settings.MODAL_KEY, settings.MODAL_SECRET = "abcdefgh", "efghijkl"
    assert mask("abcdefghijkl!") == "[MODAL_KEY][MODAL_SECRET]!"
    settings.MODAL_KEY = "abcabcabc"
    assert mask("abcabcabcabcabc!") == "[MODAL_KEY]!"


def test_each_line_of_a_secret_of_several_lines_is_one(settings) -> None:
    settings.MODAL_KEY = "-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n"
    for line in settings.MODAL_KEY.splitlines():
        assert mask(f"see {line}") == "see [MODAL_KEY]"


def test_a_secret_with_a_lone_surrogate_breaks_nothing(settings) -> None:
    settings.MODAL_KEY = "half-\udcc3-of-it"
    assert mask("half-\udcc3-of-it") == "[MODAL_KEY]"


@given(st.text(), st.integers(1, 50))
def test_an_excerpt_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(excerpt(text, limit)) <= limit
    assert len(quoted(text, limit)) <= limit


def test_escapes_without_end_are_read_in_no_time() -> None:
    """Each is a text on which a careless pattern would never end."""
    for text in ("\\" * 200_000, "%25" * 100_000, "&amp;" * 60_000, "w" * 500_000):
        assert mask(text) == text
