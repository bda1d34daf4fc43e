"""The one predicate for “the database is away”: another connection, or the same statement later,
can succeed with the same code and data.

Then sites answer 503, workers, pushers and gateways take another connection, and a run pays no
attempt (requeue).

    08…, no code    the connection broke, or none can be made
    57P01 … 57P04   the server stops, crashed, starts, or lost its database
    25006           after a fail-over the server is a reader
    53000 … 53300   no connection, memory, lock or disk space left
    58…             the server's own files failed

A session's own fault is no outage: timeouts (25P03, 25P04, 57P05, 57014), `temp_file_limit`
(53400), a deadlock (40P01). Codes: PostgreSQL's manual, appendix A.

A TransactionManagementError counts if Django names an outage as its cause.
"""

from __future__ import annotations

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.transaction import TransactionManagementError
from psycopg.errors import PipelineAborted

from jobs.lib.error_report import is_a

AWAY_STATES = (
    "08",
    "53000",
    "531",
    "532",
    "533",
    "58",
    "25006",
    "57P01",
    "57P02",
    "57P03",
    "57P04",
)

# End a sentence after “The database”. An error while connecting has only a message, in English.
IN_WORDS = {
    "25006": "is read-only",
    "53100": "has no disk space left",
    "53200": "has no memory left",
    "53300": "has no connection left",
    "57P01": "is being stopped",
    "57P02": "has crashed",
    "57P03": "is starting or stopping",
    "57014": "takes too long to answer",
    "42P01": "lacks tables; migrate it",
}
IN_MESSAGES = {
    "starting up": "57P03",
    "shutting down": "57P03",
    "not accepting connections": "57P03",
    "not yet accepting": "57P03",
    "in recovery mode": "57P03",
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
}


def is_unavailable(error: BaseException) -> bool:
    """Whether this error of Django or psycopg means that the database is away."""
    if not is_a(error, DatabaseError, InterfaceError, psycopg.Error):
        return False  # an author's error about an outage
    if isinstance(error, TransactionManagementError):
        return error.__cause__ is not None and is_unavailable(error.__cause__)
    code = sqlstate_of(error)
    if code:
        return code.startswith(AWAY_STATES)
    if isinstance(error, PipelineAborted) or isinstance(error.__cause__, PipelineAborted):
        return False  # an earlier statement of the pipeline failed
    kinds = (psycopg.OperationalError, psycopg.InterfaceError)
    if isinstance(error, kinds) or isinstance(error.__cause__, kinds):
        return True
    # Django's, without a connection.
    return isinstance(error, OperationalError | InterfaceError) and error.__cause__ is None


def why_unavailable(error: BaseException) -> str:
    """What is wrong, to end a sentence after “The database”. Quotes nothing of the error: visitors
    may read it.
    """
    code = sqlstate_of(error)
    if code in IN_WORDS:
        return IN_WORDS[code]
    if code:
        return "does not answer" if is_unavailable(error) else "answers an error"
    message = str(error).lower()
    for part, known in IN_MESSAGES.items():
        if part in message:
            return IN_WORDS[known]
    return "refuses connections" if "connection refused" in message else "does not answer"


def sqlstate_of(error: BaseException) -> str:
    """PostgreSQL's code for the error, or ""."""
    for link in (error, error.__cause__):
        if isinstance(link, psycopg.Error) and link.sqlstate:
            return str(link.sqlstate)
    return ""
