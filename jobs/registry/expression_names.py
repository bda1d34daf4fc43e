"""Checks names in expressions: a misspelled one would silently make a condition false for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jobs.errors import InvalidExpression
from jobs.lib.shapes.reading import name_of, shape_of
from jobs.lib.spelling import did_you_mean
from jobs.registry import cel_library
from jobs.registry.cel_library import cel
from jobs.registry.expressions import compile_expression

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
# Python's words, and CEL's.
IN_CEL = {
    **{"and": "&&", "or": "||", "not": "!", "=": "==", "is": "=="},
    **{"True": "true", "False": "false", "None": "null", "len": "size"},
}

Token = tuple[str, str]  # kind, text
END: Token = ("mark", "")


def check(source: str, *known: str) -> None:
    """Raises InvalidExpression if it does not parse, or has a variable not in `known`, or an
    unknown field or function.
    """
    try:
        compile_expression(source)
        _check(source, known)
    except InvalidExpression as error:
        words = python_words(source) if isinstance(source, str) else ""
        raise InvalidExpression(f"{error}{words}") from None


def python_words(source: str) -> str:
    tokens = _tokens(source)
    found = {text for kind, text in tokens if kind == "name" and text in IN_CEL}
    marks = [text if kind == "mark" else "" for kind, text in tokens]
    singles = [
        mark
        for before, mark, after in zip(["", *marks], marks, [*marks[1:], ""], strict=False)
        if mark == "=" and before not in ("=", "!", "<", ">") and after != "="
    ]
    wrong = [word for word in IN_CEL if word in found or (word == "=" and singles)]
    told = ", ".join(f"“{IN_CEL[word]}” for “{word}”" for word in wrong)
    return f" CEL writes {told}." if told else ""


@lru_cache(maxsize=1024)
def _check(source: str, known: tuple[str, ...]) -> None:
    program = compile_expression(source)
    used = set(program.variables())
    for name in used:
        if name.startswith("."):
            raise InvalidExpression(f"“{source}” uses “{name}”; leave the dot before it out.")
    for root, fields in _paths(_tokens(source)):
        field, below = [*fields[:2], "", ""][:2]
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
    told = f"Known here: {here}.{did_you_mean(given, known)}"
    if given in FIELDS:
        told += f" Write {EVENT}.{given}."
    if given == ASYNC:
        told += " “async” is the awaited event of a wait, and the cancelling event of cancel_on."
    return told


def _known_fields(root: str, given: str) -> str:
    fields = ", ".join(FIELDS)
    sent = f"What its sender gave lies in data: {root}.data.{given}."
    return f"The fields of an event are {fields}.{did_you_mean(given, FIELDS) or f' {sent}'}"


def check_data(source: str, types: Mapping[str, Sequence[Any]]) -> None:
    """Raises InvalidExpression for a name below `data` that none of the variable's `types` has."""
    for root, fields in _paths(_tokens(source)):
        if fields[:1] == ["data"] and types.get(root):
            _check_below(source, f"{root}.data", types[root], fields[1:])


def _check_below(source: str, path: str, kinds: Sequence[Any], fields: list[str]) -> None:
    shapes = [shape_of(kind) for kind in kinds]
    owner = " or ".join(map(name_of, kinds))
    for field in fields:
        parts = [part for shape in shapes if (part := shape.parts()) is not None]
        if len(parts) < len(shapes):
            return  # any name goes
        known = list(dict.fromkeys(name for part in parts for name in part))
        if field not in known:
            raise InvalidExpression(
                f"“{source}” uses “{path}.{field}”, but {path} ({owner}) has "
                f"{', '.join(known) or 'no names'}.{did_you_mean(field, known)}"
            )
        shapes = [part[field] for part in parts if field in part]
        path = f"{path}.{field}"
        owner = " or ".join(shape.words for shape in shapes)


def _tokens(source: str) -> list[Token]:
    found = TOKEN.finditer(source)
    return _bare([(str(token.lastgroup), token[0]) for token in found if token.lastgroup])


def _bare(tokens: list[Token]) -> list[Token]:
    """Without parentheses around mere paths: `(event).data` is `event.data`."""
    i = 0
    while i < len(tokens):
        before, end = (tokens[i - 1] if i else END), _end_of_path(tokens, i + 1)
        is_group = tokens[i] == ("mark", "(") and (before[0] != "name" or before[1] == "in")
        if is_group and end > i + 1 and _at(tokens, end) == ("mark", ")"):
            tokens = [*tokens[:i], *tokens[i + 1 : end], *tokens[end + 1 :]]
            i = max(i - 1, 0)  # a pair around this one
        else:
            i += 1
    return tokens


def _end_of_path(tokens: list[Token], start: int) -> int:
    if _at(tokens, start)[0] != "name":
        return start
    end = start + 1
    while _field(tokens, end):
        end += _width(tokens, end)
    return end


def _paths(tokens: list[Token]) -> Iterator[tuple[str, list[str]]]:
    """Each variable, but a macro's, with the fields read from it, one below the other."""
    bound: list[str] = []
    for i, (kind, text) in enumerate(tokens):
        before, after = tokens[i - 1] if i else END, _at(tokens, i + 1)
        if text == "(" and kind == "mark":
            bound.append(_bound_by(tokens, i))
        elif text == ")" and kind == "mark" and bound:
            bound.pop()
        is_variable = kind == "name" and before[1] != "." and after[1] != "("
        if is_variable and text not in bound and text not in LITERALS:
            yield text, list(_fields(tokens, i + 1))


def _fields(tokens: list[Token], i: int) -> Iterator[str]:
    while field := _field(tokens, i):
        yield field
        i += _width(tokens, i)


def _width(tokens: list[Token], i: int) -> int:
    return 2 if _at(tokens, i)[1] == "." else 3


def _at(tokens: list[Token], i: int) -> Token:
    return tokens[i] if 0 <= i < len(tokens) else END


def _bound_by(tokens: list[Token], i: int) -> str:
    """The variable of the macro that opens here, or ""."""
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
        return cel_library.is_of_unknown_name(error)
    return False
