"""Checks the names in an expression: a condition with a misspelled name would silently be false for
ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache

from jobs.errors import InvalidExpression
from jobs.registry.expressions import cel, compile_expression

FIELDS = ("name", "data", "id", "ts")  # fields of an event
PLAIN = {"name": "a text", "id": "a text", "ts": "a number"}  # nothing lies below these
EVENT, ASYNC = "event", "async"
MACROS = {"all", "exists", "exists_one", "map", "filter"}  # each binds a name: list.all(x, x > 1)
LITERALS = {"true", "false", "null", "in"}
TOKEN = re.compile(
    r"""//[^\n]*|\s+
    |(?P<text>(?:[rR][bB]?|[bB][rR])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
      |[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
      |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)

# Only a call shows whether the library has a function.
THINGS = (
    *("'a'", "1", "1u", "1.5", "true", "null", "b'a'", "[1]", "{'a': 1}"),
    *("timestamp('2024-01-01T00:00:00Z')", "duration('1s')"),
)
UNDEFINED = "Undefined variable or function"

Token = tuple[str, str]  # kind, text
END: Token = ("mark", "")


def check(source: str, *known: str) -> None:
    """Raise InvalidExpression if it does not parse, or uses a variable not in `known`, or an
    unknown field or function.
    """
    compile_expression(source)
    _check(source, known)


@lru_cache(maxsize=1024)
def _check(source: str, known: tuple[str, ...]) -> None:
    program = compile_expression(source)
    used = set(program.variables())
    for name in used:
        if name.startswith("."):
            raise InvalidExpression(f"“{source}” uses “{name}”; leave the dot before it out.")
    for root, field, below in _paths(_tokens(source)):
        if root not in known and root in used and not _is_type(root):
            raise InvalidExpression(f"“{source}” uses “{root}”. {_known_variables(root, known)}")
        if root in known and field and field not in FIELDS:
            raise InvalidExpression(
                f"“{source}” uses “{root}.{field}”. {_known_fields(root, field)}"
            )
        if root in known and field in PLAIN and below:
            raise InvalidExpression(
                f"“{source}” uses “{root}.{field}.{below}”, but {root}.{field} is {PLAIN[field]}. "
                f"What its sender gave lies in data: {root}.data.{below}."
            )
    for name in program.functions():
        if name.isidentifier() and not _is_function(name):
            raise InvalidExpression(f"“{source}” calls “{name}”, which is no function of CEL.")


def _known_variables(given: str, known: tuple[str, ...]) -> str:
    here = " and ".join(f"“{name}”" for name in known)
    told = f"Known here: {here}.{_meant(given, known)}"
    if given == ASYNC:
        told += " “async” is the awaited event of a wait, and the cancelling event of cancel_on."
    return told


def _known_fields(root: str, given: str) -> str:
    fields = ", ".join(FIELDS)
    sent = f"What its sender gave lies in data: {root}.data.{given}."
    return f"The fields of an event are {fields}.{_meant(given, FIELDS) or f' {sent}'}"


def _meant(given: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(given, known, n=1)
    return f" Did you mean “{close[0]}”?" if close else ""


def _tokens(source: str) -> list[Token]:
    found = TOKEN.finditer(source)
    return [(str(token.lastgroup), token[0]) for token in found if token.lastgroup]


def _paths(tokens: list[Token]) -> Iterator[tuple[str, str, str]]:
    """Each variable with the field read from it and the one read from that, or "". A macro's
    variables are left out.
    """
    bound: list[str] = []
    for i, (kind, text) in enumerate(tokens):
        before, after = tokens[i - 1] if i else END, _at(tokens, i + 1)
        if text == "(" and kind == "mark":
            bound.append(_bound_by(tokens, i))
        elif text == ")" and kind == "mark" and bound:
            bound.pop()
        is_variable = kind == "name" and before[1] != "." and after[1] != "("
        if is_variable and text not in bound and text not in LITERALS:
            field = _field(tokens, i + 1)
            after_field = i + (3 if after[1] == "." else 4)
            yield text, field, _field(tokens, after_field) if field else ""


def _at(tokens: list[Token], i: int) -> Token:
    return tokens[i] if 0 <= i < len(tokens) else END


def _bound_by(tokens: list[Token], i: int) -> str:
    """The variable of the macro whose parenthesis opens here, or ""."""
    is_macro = _at(tokens, i - 1)[1] in MACROS and _at(tokens, i - 2)[1] == "."
    name, comma = _at(tokens, i + 1), _at(tokens, i + 2)
    return name[1] if is_macro and name[0] == "name" and comma[1] == "," else ""


def _field(tokens: list[Token], i: int) -> str:
    """`.field` or `["field"]`; "" for method calls and computed names."""
    opening, field, closing = (_at(tokens, i + n) for n in range(3))
    if opening[1] == "." and field[0] == "name" and closing[1] != "(":
        return field[1]
    if opening[1] == "[" and field[0] == "text" and closing[1] == "]" and field[1][0] in "\"'":
        return field[1].strip(field[1][0])
    return ""


@lru_cache(maxsize=1024)
def _is_type(name: str) -> bool:
    """Types are values in CEL: `type(x) == int`."""
    return not _is_undefined(name)


@lru_cache(maxsize=1024)
def _is_function(name: str) -> bool:
    return not all(_is_undefined(call) for thing in THINGS for call in _calls(name, thing))


def _calls(name: str, thing: str) -> Iterator[str]:
    yield from (f"{name}({thing})", f"{thing}.{name}()")
    yield from (f"{thing}.{name}({thing})", f"{name}({thing}, {thing})")


def _is_undefined(source: str) -> bool:
    try:
        cel.compile(source).execute({})
    except Exception as error:
        return str(error).startswith(UNDEFINED)
    return False
