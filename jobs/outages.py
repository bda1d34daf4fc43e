"""Whether the database is away, in any of the ways in which it can be: the one predicate for that.

The database is away when another connection, or the same statement a little later, can succeed
without a change of code or data. Sites answer 503 then; workers, pushers and gateways drop the
connection and go on with another one; a run pays no attempt for it (see requeues).

    08…, no code at all   the connection broke, or none can be made
    57P01 … 57P04         the server stops, crashed, starts, or its database was dropped
    25006                 the server has become a reader: after a fail-over the socket leads there
    53…                   no connection left, no memory (a full table of locks counts), no disk
    58…                   the server's own files failed

What one session brings upon itself is no outage: `idle_in_transaction_session_timeout` (25P03),
`transaction_timeout` (25P04), `idle_session_timeout` (57P05), `statement_timeout` (57014), a
deadlock (40P01). Codes: appendix A of PostgreSQL's manual.
"""

from __future__ import annotations

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError

AWAY = ("08", "53", "58", "25006", "57P01", "57P02", "57P03", "57P04")


def is_unavailable(error: BaseException) -> bool:
    """Whether this error is Django's or psycopg's and says that the database is away."""
    if not isinstance(error, DatabaseError | InterfaceError | psycopg.Error):
        return False  # what an author makes of an outage is an error of theirs
    code = sqlstate_of(error)
    if code:
        return code.startswith(AWAY)
    kinds = (psycopg.OperationalError, psycopg.InterfaceError)
    if isinstance(error, kinds) or isinstance(error.__cause__, kinds):
        return True
    # Django raises these by itself where there is no connection to ask.
    return isinstance(error, OperationalError | InterfaceError) and error.__cause__ is None


def sqlstate_of(error: BaseException) -> str:
    """The code that PostgreSQL gave for this error of Django's or psycopg's; empty without any."""
    for link in (error, error.__cause__):
        if isinstance(link, psycopg.Error) and link.sqlstate:
            return str(link.sqlstate)
    return ""
