"""A connection's last failed statement: PostgreSQL's words, and the code that sent it. A run has no
other trace of an error that code catches.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import Any

import psycopg

from jobs.lib.error_report import class_path, frames_of_the_call

MARK = "jobs_failed_statement"
AFTERWARDS = "25P02"  # PostgreSQL's answer to each later statement


@dataclass(frozen=True, slots=True)
class FailedStatement:
    words: str
    frames: traceback.StackSummary  # the author's, innermost last

    @property
    def place(self) -> str:
        """“line 16 of songs/functions.py, in create”"""
        own = [frame for frame in self.frames if "site-packages" not in frame.filename]
        if not own:
            return ""
        return f"line {own[-1].lineno} of {own[-1].filename}, in {own[-1].name}"

    @property
    def sentence(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"The statement that failed{where}: {' '.join(self.words.split())}"

    @property
    def traceback(self) -> str:
        return f"The statement that failed:\n{''.join(self.frames.format())}{self.words}"


def note(raw: psycopg.Connection[Any], error: psycopg.Error) -> None:
    """Remember the error, unless it only follows another."""
    if error.sqlstate != AFTERWARDS:
        frames = frames_of_the_call(sys._getframe(1))
        vars(raw)[MARK] = FailedStatement(f"{class_path(error)}: {error}", frames)


def last(raw: psycopg.Connection[Any] | None) -> FailedStatement | None:
    return None if raw is None else vars(raw).get(MARK)


def forget(raw: psycopg.Connection[Any]) -> None:
    vars(raw).pop(MARK, None)
