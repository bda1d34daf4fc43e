"""Whether the database is away, in any of the ways in which it can be: the one predicate for that.

The database is away when another connection, or the same statement a little later, can succeed
without a change of code or data. Sites answer 503 then; workers, pushers and gateways drop the
connection and go on with another one; a run pays no attempt for it (see requeue).

    08…, no code at all   the connection broke, or none can be made
    57P01 … 57P04         the server stops, crashed, starts, or its database was dropped
    25006                 the server has become a reader: after a fail-over the socket leads there
    53000 … 53300         no connection left, no memory (a full table of locks counts), no disk
    58…                   the server's own files failed

What one session brings upon itself is no outage: `idle_in_transaction_session_timeout` (25P03),
`transaction_timeout` (25P04), `idle_session_timeout` (57P05), `statement_timeout` (57014),
`temp_file_limit` (53400), a deadlock (40P01). Codes: appendix A of PostgreSQL's manual.

What follows from an outage is one as well, where Django says what it follows from: code that
catches the first error and asks on, in the same transaction, gets a TransactionManagementError.
"""

from __future__ import annotations

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.transaction import TransactionManagementError
from psycopg.errors import PipelineAborted

from jobs.lib.error_report import is_a

AWAY = ("08", "53000", "531", "532", "533", "58", "25006", "57P01", "57P02", "57P03", "57P04")

# What is wrong, as the end of a sentence that begins with “The database”. An error that was met
# while connecting carries no code: the server's message is all there is, if it speaks English.
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
    """Whether this error is Django's or psycopg's and says that the database is away."""
    if not is_a(error, DatabaseError, InterfaceError, psycopg.Error):
        return False  # what an author makes of an outage is an error of theirs
    if isinstance(error, TransactionManagementError):
        return error.__cause__ is not None and is_unavailable(error.__cause__)
    code = sqlstate_of(error)
    if code:
        return code.startswith(AWAY)
    if isinstance(error, PipelineAborted) or isinstance(error.__cause__, PipelineAborted):
        return False  # a consequence: the statement before it in the pipeline failed
    kinds = (psycopg.OperationalError, psycopg.InterfaceError)
    if isinstance(error, kinds) or isinstance(error.__cause__, kinds):
        return True
    # Django raises these by itself where there is no connection to ask.
    return isinstance(error, OperationalError | InterfaceError) and error.__cause__ is None


def why_unavailable(error: BaseException) -> str:
    """What is wrong with the database, for a sentence that begins with “The database”: “is
    read-only”, “refuses connections”. Nothing of the error's own text is in it, so anybody may read
    it."""
    code = sqlstate_of(error)
    if code:
        return IN_WORDS.get(
            code, "does not answer" if is_unavailable(error) else "answers an error"
        )
    message = str(error).lower()
    for part, known in IN_MESSAGES.items():
        if part in message:
            return IN_WORDS[known]
    return "refuses connections" if "connection refused" in message else "does not answer"


def sqlstate_of(error: BaseException) -> str:
    """The code that PostgreSQL gave for this error of Django's or psycopg's; empty without any."""
    for link in (error, error.__cause__):
        if isinstance(link, psycopg.Error) and link.sqlstate:
            return str(link.sqlstate)
    return ""
