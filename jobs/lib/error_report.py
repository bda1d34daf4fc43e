"""An error's class, message and traceback, as texts that PostgreSQL can store.

An author's exception may have no text, a circle of causes, attributes that raise, names with a NUL.
The report never fails: it says what it left out.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

from jobs.errors import ControlFlow, JobsError, StepError
from jobs.lib.excerpts import both_ends, excerpt
from jobs.lib.secrets import mask

NAME_LIMIT = 200
CODE_LIMIT = 40
BODY_LIMIT = 4_000  # characters of an answer
HEADERS_LIMIT = 8_000  # characters of its headers together
CLASS_LIMIT = 300
MESSAGE_LIMIT = 4_000
TRACEBACK_LIMIT = 40_000
MAX_LINKS = 100  # of a chain of causes
MAX_PARALLELS = 10  # inside each other
BESIDE = "jobs_beside"
HERE = str(Path(__file__).parents[1])  # the engine's folder


# An author's class may replace these attributes.
CAUSE: Any = vars(BaseException)["__cause__"]
CONTEXT: Any = vars(BaseException)["__context__"]


def is_a(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    """isinstance() asks the object for its class, which may raise."""
    return issubclass(type(error), kinds)


def cause_of(error: BaseException) -> BaseException | None:
    cause: BaseException | None = CAUSE.__get__(error)
    return cause


def describe(error: BaseException) -> dict[str, Any]:
    """An error as Inngest writes it: {"name", "message", "stack"}, and its "code", "status_code",
    "body" and "headers", if any.
    """
    return {
        "name": fit_text(_read(lambda: type(error).__name__, "Error"), NAME_LIMIT),
        "message": fit_text(text_of(error), MESSAGE_LIMIT),
        "stack": stack_of(error),
        **codes_of(error),
    }


def describe_as(name: str, message: str) -> dict[str, Any]:
    """As `describe`, for an error that nothing raised."""
    return {"name": name, "message": message, "stack": ""}


def codes_of(error: BaseException) -> dict[str, Any]:
    """What programs read of a JobsError: its code, and its answer's status, body and headers, if
    any. Other packages' `code` means something else.
    """
    if not is_a(error, JobsError):
        return {}
    given: Any = error
    code = fit_text(_read(lambda: given.code, ""), CODE_LIMIT)
    status = _read(lambda: str(given.status_code) if type(given.status_code) is int else "", "")
    body = fit_text(_read(lambda: given.body, ""), BODY_LIMIT)
    found = {
        "code": code,
        "status_code": int(status or 0),
        "body": body,
        "headers": _headers_of(given),
    }
    return {name: value for name, value in found.items() if value}


def _headers_of(error: Any) -> dict[str, str]:
    """Whole ones within the limit."""
    try:
        pairs = [(str(name), str(value)) for name, value in dict(error.headers).items()]
    except ControlFlow:
        raise
    except BaseException:  # an author's own attribute
        return {}
    kept, left = {}, HEADERS_LIMIT
    for name, value in pairs:
        left -= len(name) + len(value)
        if left < 0:
            break
        kept[fit_text(name)] = fit_text(value)
    return kept


def text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error))
    except ControlFlow:
        raise
    except BaseException as mute:
        return f"(its text cannot be had: {type(mute).__name__})"


def class_path(error: BaseException) -> str:
    """“module.Class”; “Class” for Python's own."""
    kind = type(error)
    module = _read(lambda: kind.__module__, "?")
    name = _read(lambda: kind.__qualname__, "Error")
    return fit_text(name if module == "builtins" else f"{module}.{name}", CLASS_LIMIT)


def _read(attribute: Callable[[], Any], otherwise: str) -> str:
    try:
        found = attribute()
        return str.__str__(found) if isinstance(found, str) else otherwise
    except ControlFlow:
        raise
    except BaseException:
        return otherwise


def chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen and len(seen) < MAX_LINKS:
        seen.add(id(error))
        yield error
        error = cause_of(error) or CONTEXT.__get__(error)


def put_beside(error: BaseException, others: Iterable[BaseException]) -> None:
    """Let an error stand for others of its `parallel`."""
    BaseException.__setattr__(error, BESIDE, tuple(o for o in others if o is not error))


def failed_steps(error: BaseException, depth: int = MAX_PARALLELS) -> list[StepError]:
    """The failed steps behind an error: the first in its chain, and those of the branches beside
    it. Caught ones stay remembered.
    """
    found: list[StepError] = []
    for link in chain(error):
        if is_a(link, StepError):
            found.append(cast(StepError, link))
        for other in _beside(link) if depth else ():
            found += failed_steps(other, depth - 1)
        if is_a(link, StepError):
            break
    return found


def _beside(error: BaseException) -> tuple[BaseException, ...]:
    try:
        return tuple(vars(error).get(BESIDE, ()))
    except Exception:  # the class may have no __dict__
        return ()


def stack_of(error: BaseException) -> str:
    """From the author's first frame on, without local variables."""
    try:
        text = "".join(_message_of(error))
    except ControlFlow:
        raise
    except BaseException as mute:
        text = _short_message_of(error, mute)
    return both_ends(_clean(text), TRACEBACK_LIMIT)


def _message_of(error: BaseException) -> Iterator[str]:
    story = traceback.TracebackException.from_exception(error, capture_locals=False)
    frames = list(story.stack)
    if error.__traceback__ is None:  # a response's error was made, not raised
        frames = list(frames_of_the_call(sys._getframe()))
    while len(frames) > 1 and frames[0].filename.startswith(HERE):
        frames.pop(0)
    story.stack = traceback.StackSummary.from_list(frames)
    yield from story.format()


def _short_message_of(error: BaseException, mute: BaseException) -> str:
    try:
        frames = "".join(traceback.format_tb(error.__traceback__))
    except Exception:
        frames = ""
    reason = type(mute).__name__
    return f"{frames}{class_path(error)}\n(the rest of its story cannot be had: {reason})\n"


def frames_of_the_call(innermost: FrameType) -> traceback.StackSummary:
    """The author's (and libraries') frames between the engine's."""
    walked = traceback.walk_stack(innermost)
    frames = traceback.StackSummary.extract(walked, lookup_lines=False)
    frames.reverse()
    inside = [i for i, frame in enumerate(frames) if frame.filename.startswith(HERE)]
    authors = [i for i, frame in enumerate(frames) if not frame.filename.startswith(HERE)]
    called = [i for i in authors if inside and inside[0] < i < inside[-1]]
    kept = frames[called[0] : called[-1] + 1] if called else []
    return traceback.StackSummary.from_list(kept)


def fit_text(text: str, limit: int | None = None) -> str:
    clean = _clean(text)
    return mask(clean) if limit is None else excerpt(clean, limit)


def _clean(text: str) -> str:
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
