"""Masks secrets in every record of `logging` when it is made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from jobs.lib.secrets import mask

Factory = Callable[..., logging.LogRecord]
_formatter = logging.Formatter()


def mask_all() -> None:
    made_by = logging.getLogRecordFactory()
    if not isinstance(made_by, _Masking):
        logging.setLogRecordFactory(_Masking(made_by))


class _Masking:
    def __init__(self, made_by: Factory) -> None:
        self._made_by = made_by

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._made_by(*args, **kwargs)
        try:
            _mask_message(record)
            _mask_traceback(record)
        except Exception:
            return record
        return record


def _mask_message(record: logging.LogRecord) -> None:
    said = record.getMessage()
    clean = mask(said)
    if clean != said:
        record.msg, record.args = clean, ()


def _mask_traceback(record: logging.LogRecord) -> None:
    """Handlers prefer `exc_text` to the exception."""
    if record.exc_info and record.exc_info[0] is not None:
        told = _formatter.formatException(record.exc_info)
        clean = mask(told)
        if clean != told:
            record.exc_text = clean
    if record.stack_info:
        record.stack_info = mask(record.stack_info)
