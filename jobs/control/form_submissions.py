"""A form that moves money or starts a run acts once, however often it is sent (README, “A form that
acts once”).

A sending is a row (`Submission`), unique by token, action, account and content, written in the
act's transaction: a second one waits at the unique index.

A row outlives its token, which has its time (UUIDv7). Older tokens are refused: whether they acted
is unknown. A form without its token is known by content for ten minutes: enough for a double click,
a reload, a proxy's repeat.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from jobs.errors import JobsError
from jobs.ids import new_id
from jobs.models import Submission

FIELD = "form_token"
TOKEN_LIFE = timedelta(days=7)  # of a token
SKEW = timedelta(days=1)  # between the site's and the database's clock
KEPT_FOR = TOKEN_LIFE + SKEW
KNOWN_BY_CONTENT_FOR = timedelta(minutes=10)
NO_TOKEN = uuid.UUID(int=0)

# This sending's if `result` is empty; committed rows have one. Rows without a token are taken over
# after ten minutes.
INSERT_SUBMISSION = """
INSERT INTO jobs_submission AS known (token, action, asked, account, result, at)
VALUES (%(token)s, %(action)s, %(asked)s, %(account)s, '', statement_timestamp())
ON CONFLICT (token, action, account, asked) DO UPDATE SET
  result = CASE WHEN known.token = %(lost)s AND known.at < EXCLUDED.at - %(window)s
                THEN '' ELSE known.result END,
  at = CASE WHEN known.token = %(lost)s AND known.at < EXCLUDED.at - %(window)s
            THEN EXCLUDED.at ELSE known.at END
RETURNING id, result
"""


class StaleForm(JobsError):
    """The form's token is too old to tell whether the form was sent before."""

    def __init__(self) -> None:
        super().__init__(
            f"This form was opened more than {TOKEN_LIFE.days} days ago, and may have been sent "
            "before. Nothing was done. Look at it again, and send it once more if you still want "
            "it."
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    result: str
    is_repeat: bool


def once(
    act: Callable[[], object],
    *,
    token: str | uuid.UUID | None,
    action: str,
    account: object,
    asked: Any,
    is_guarded: bool = False,
) -> Outcome:
    """Call `act` unless this form has; returns the id that it returned then or now.

    `token` came with the form, `action` names the act ("songs.order"), `account` is an id, `asked`
    the content, as JSON. Act and memory are one transaction. Raises StaleForm for an old token.

    With `is_guarded` the state allows the act only once (a cancelled run cannot be cancelled):
    without a token the form acts.
    """
    read = read_token(token)
    if read is not None and _is_stale(read):
        raise StaleForm
    with transaction.atomic():
        if read is None and is_guarded:
            return Outcome(str(act()), is_repeat=False)
        row_id, result = _take(read or NO_TOKEN, action, str(account), digest(asked))
        if result:
            return Outcome(result, is_repeat=True)
        made = str(act()) or "done"
        Submission.objects.filter(id=row_id).update(result=made)
    return Outcome(made, is_repeat=False)


def sent(*, token: str | None, action: str, account: object) -> int:
    read = read_token(token)
    if read is None:
        return 0
    return Submission.objects.filter(token=read, action=action, account=str(account)).count()


def token_for_form(brought: str = "") -> str:
    read = read_token(brought)
    return str(new_id() if read is None or _is_stale(read) else read)


def read_token(given: str | uuid.UUID | None) -> uuid.UUID | None:
    try:
        read = uuid.UUID(str(given or ""))
    except ValueError:
        return None
    return None if read == NO_TOKEN else read


def digest(asked: Any) -> str:
    """The same for the same content, in any order."""
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_stale(token: uuid.UUID) -> bool:
    """Only the site's own tokens grow old."""
    if token.version != 7:
        return False
    age = timedelta(milliseconds=time.time_ns() // 1_000_000 - (token.int >> 80))
    return not -SKEW <= age <= TOKEN_LIFE


def _take(token: uuid.UUID, action: str, account: str, asked: str) -> tuple[int, str]:
    values: dict[str, Any] = {
        **{"token": token, "action": action, "account": account, "asked": asked},
        **{"lost": NO_TOKEN, "window": KNOWN_BY_CONTENT_FOR},
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT_SUBMISSION, values)
        row_id, result = cursor.fetchone()
    return row_id, result
