"""One page of signatures, made from the code: `python -m docs.tools.signatures` writes it.

For each public name its signature, a table of its options (type, default, and what its docstring
says of each) and the docstring. A sentence is about an option if it names it in backquotes.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).parents[1] / "signatures.md"
HEAD = """# Signatures

Every public name with its options, made from the code's docstrings by `make docs`. Durations are
seconds or a `timedelta`, unless a line says otherwise; times are aware datetimes.
"""
SECTIONS = {
    "Functions": (
        *("create_function", "TriggerEvent", "TriggerCron", "Concurrency", "Cancel", "Timeouts"),
        "Function",
    ),
    "Steps": ("Context", "Steps", "Response", "Secret"),
    "Events": ("Event", "send", "new_id"),
    "Runs": ("rerun", "cancel", "bulk", "pause", "resume", "replay_skipped", "deal_with"),
    "Errors": (),  # every exception
    "For pages and forms": (),  # all others
}
# What an author gets and never makes: its attributes are told, and no constructor.
GOT = ("Context", "Steps", "Response", "StepError", "RunFailed", "RunUnfinished")
EMPTY = inspect.Parameter.empty
NAMED = re.compile(r"`([a-z_]\w*)(?:=[^`]*)?`")
SENTENCE = re.compile(r"(?<=[.:;])\s+(?=[A-Z`“])")


def page() -> str:
    """The whole page."""
    from jobs import api, testing
    from jobs.execution.steps import Steps

    names = {name: getattr(api, name) for name in api.__all__} | {"Steps": Steps}
    parts = [HEAD]
    for title, chosen in sections(names).items():
        parts += [f"## {title}\n", *(entry(name, names[name]) for name in chosen)]
    parts += ["## `jobs.testing`\n", *module(testing)]
    return "\n".join(parts).rstrip() + "\n"


def sections(names: dict[str, Any]) -> dict[str, list[str]]:
    """Each name in one section, in the order of SECTIONS, else of the alphabet."""
    found = {
        title: [name for name in chosen if name in names] for title, chosen in SECTIONS.items()
    }
    rest = sorted(set(names) - {name for chosen in found.values() for name in chosen})
    found["Errors"] = [name for name in rest if is_error(names[name])]
    found["For pages and forms"] = [name for name in rest if not is_error(names[name])]
    return found


def is_error(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)


def module(namespace: ModuleType) -> Iterator[str]:
    for name in namespace.__all__:
        yield entry(name, getattr(namespace, name))


def entry(name: str, thing: Any, owner: str = "") -> str:
    """A name's part of the page; of a class its methods too."""
    level = "####" if owner else "###"
    parts = [f"{level} `{owner}{name}`\n"]
    if callable(thing) and not isinstance(thing, enum.EnumMeta) and name not in GOT:
        parts.append(f"```python\n{signature(name, thing)}\n```\n")
    if text := docstring(thing):
        parts.append(f"{text}\n")
    if table := attributes(thing):
        parts.append(table)
    if isinstance(thing, enum.EnumMeta):
        members = ", ".join(f"`{member.value}`" for member in thing)  # type: ignore[var-annotated]
        parts.append(f"Values: {members}.\n")
    elif callable(thing) and name not in GOT and (table := options(thing)):
        parts.append(table)
    elif not callable(thing):
        parts.append(f"`{thing!r}`\n")
    if isinstance(thing, type) and not is_error(thing):
        prefix = "ctx.step." if name == "Steps" else f"{name}."
        parts += [entry(each, method, prefix) for each, method in methods(thing)]
    return "\n".join(parts)


def methods(thing: type) -> Iterator[tuple[str, Any]]:
    for name, method in vars(thing).items():
        if isinstance(method, classmethod | staticmethod):
            method = method.__func__
        is_public = not name.startswith("_") and inspect.isfunction(method)
        if is_public and docstring(method):
            yield name, method


def attributes(thing: Any) -> str:
    """The table of what an object has: what its class declares, and its properties."""
    if not isinstance(thing, type) or dataclasses.is_dataclass(thing):
        return ""
    found = dict(declared(thing)) | dict(properties(thing))
    rows = [
        f"| `{name}` | `{typed}` | {about} |".replace(" | None", " \\| None")
        for name, (typed, about) in found.items()
    ]
    return "| attribute | type | |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""


def declared(thing: type) -> Iterator[tuple[str, tuple[str, str]]]:
    owners = reversed(thing.__mro__) if thing.__name__ in GOT else [thing]
    for owner in owners:
        said = sentences(docstring(owner)) if owner.__module__.startswith("jobs.") else {}
        for name, typed in inspect.get_annotations(owner).items():
            is_public = not name.startswith("_") and "ClassVar" not in kind(typed)
            if is_public and owner.__module__.startswith("jobs."):
                yield name, (kind(typed), " ".join(said.get(name, [])))


def properties(thing: type) -> Iterator[tuple[str, tuple[str, str]]]:
    for owner in reversed(thing.__mro__):
        for name, value in vars(owner).items():
            if isinstance(value, property) and not name.startswith("_") and value.fget:
                about = " ".join(docstring(value.fget).split())
                yield name, (kind(inspect.signature(value.fget).return_annotation), about)


def docstring(thing: Any) -> str:
    text = inspect.getdoc(thing) if callable(thing) or isinstance(thing, type) else ""
    is_generated = dataclasses.is_dataclass(thing) and (text or "").startswith(f"{thing.__name__}(")
    return "" if not text or is_generated else text


def parameters(thing: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        given = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one for one in given if one.name != "self"]


def signature(name: str, thing: Callable[..., Any]) -> str:
    """As Python: on one line, or an option a line if it is long."""
    shown = [written(one) for one in parameters(thing)]
    kinds = [one.kind for one in parameters(thing)]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    if isinstance(thing, type):
        body = textwrap.indent(definition("__init__", ["self", *shown], ""), "    ")
        return f"class {name}:\n{body}"
    return definition(name, shown, returns(thing))


def definition(name: str, shown: list[str], returned: str) -> str:
    line = f"def {name}({', '.join(shown)}){returned}: ..."
    if len(line) <= 90:
        return line
    return f"def {name}(\n" + "".join(f"    {one},\n" for one in shown) + f"){returned}: ..."


def written(one: inspect.Parameter) -> str:
    """As in the code: `name: type = default`."""
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    typed = f": {kind(one.annotation)}" if one.annotation is not EMPTY else ""
    default = "" if one.default is EMPTY else f" = {value_of(one)}"
    return f"{stars}{one.name}{typed}{default}"


def value_of(one: inspect.Parameter) -> str:
    """The default; an ellipsis for what has no words."""
    value = repr(one.default)
    return "..." if value.startswith("<") else value


def returns(thing: Callable[..., Any]) -> str:
    found = inspect.signature(thing).return_annotation
    return "" if found is EMPTY else f" -> {kind(found)}"


def kind(annotation: Any) -> str:
    if annotation is EMPTY:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def options(thing: Callable[..., Any]) -> str:
    """The table of its options; empty without one, and if one sentence explains all."""
    said = sentences(docstring(thing))
    if len({tuple(about) for about in said.values()}) < 2:
        return ""
    rows = []
    for one in parameters(thing):
        about = " ".join(said.get(one.name, [])).replace("|", "\\|")
        default = "required" if one.default is EMPTY else f"`{value_of(one)}`"
        if one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            default = "–"
        typed = kind(one.annotation).replace("|", "\\|")
        rows.append(f"| `{one.name}` | `{typed}` | {default} | {about} |")
    if not rows:
        return ""
    return "| option | type | default | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def sentences(text: str) -> dict[str, list[str]]:
    """The sentences of a docstring by the options that they name."""
    found: dict[str, list[str]] = {}
    for paragraph in text.split("\n\n"):
        for sentence in SENTENCE.split(" ".join(paragraph.split())):
            for name in dict.fromkeys(NAMED.findall(sentence)):
                found.setdefault(name, []).append(sentence)
    return found


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")
    django.setup()
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
