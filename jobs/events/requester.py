"""The account that an act is done for; code may do everything.

    with asked_by(request.user):
        rerun(run_id)  # NotAllowed, if this account may not

A run, its hooks and the runs that it invokes remember the account's id (`Run.asked_by`). When a run
acts on others, the account is looked up anew: it must exist, be active and be allowed.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from jobs.errors import NotAllowed
from jobs.lib.excerpts import quoted
from jobs.models import Run


@dataclass(frozen=True, slots=True)
class Asker:
    """`id` is empty for code; `user` is None for code and a deleted account."""

    id: str = ""
    user: Any = None

    @property
    def name(self) -> str:
        if self.user is None:
            return self.id and f"account {self.id}, which is gone"
        return str(self.user.get_username())

    def refusal(self, permission: str, run: Run | None = None) -> str:
        """Empty if allowed."""
        if not self.id:
            return ""
        if self.user is None:
            return f"The account {self.id}, which asked for this, is gone."
        if not self.user.is_active:
            return f"The account “{self.name}”, which asked for this, is closed."
        if not self.user.has_perm(permission):
            return f"The account “{self.name}” lacks the permission “{permission}”."
        if run is not None and not self.user.has_perm(permission, run):
            return (
                f"The account “{self.name}” may not do that to run {run.id} of “{run.fn_id}”: "
                f"it asks for more than “{permission}”."
            )
        return ""

    def refuse(self, permission: str, run: Run | None = None) -> None:
        if refusal := self.refusal(permission, run):
            raise NotAllowed(refusal)


CODE = Asker()
_named: ContextVar[Asker | None] = ContextVar("named", default=None)
_inside: ContextVar[uuid.UUID | None] = ContextVar("inside", default=None)


@contextlib.contextmanager
def asking(asker: Asker) -> Iterator[None]:
    token = _named.set(asker)
    try:
        yield
    finally:
        _named.reset(token)


def asked_by(user: Any) -> contextlib.AbstractContextManager[None]:
    """Name a user of Django's as the asker of this block. Raises NotAllowed for what is none."""
    if not hasattr(user, "pk"):
        raise NotAllowed(f"asked_by takes an account, such as request.user, not {quoted(user)}.")
    return asking(Asker(str(user.pk), user))


@contextlib.contextmanager
def inside(run_id: uuid.UUID) -> Iterator[None]:
    named, run = _named.set(None), _inside.set(run_id)
    try:
        yield
    finally:
        _inside.reset(run)
        _named.reset(named)


def on_behalf_of(run_id: uuid.UUID) -> contextlib.AbstractContextManager[None]:
    named = _named.get()
    return asking(named if named is not None else account(id_of(run_id)))


def current() -> Asker:
    named = _named.get()
    return named if named is not None else account(current_id())


def current_id() -> str:
    named, run_id = _named.get(), _inside.get()
    if named is not None:
        return named.id
    return id_of(run_id) if run_id is not None else ""


def named_id() -> str:
    """Takes no query."""
    asker = _named.get()
    return asker.id if asker is not None else ""


def id_of(run_id: uuid.UUID) -> str:
    return Run.objects.filter(id=run_id).values_list("asked_by", flat=True).first() or ""


def account(id: str) -> Asker:
    """CODE for an empty id."""
    if not id:
        return CODE
    model = get_user_model()
    try:
        return Asker(id, model._default_manager.filter(pk=id).first())
    except (TypeError, ValueError):
        return Asker(id)


def names(ids: Iterable[str]) -> dict[str, str]:
    """In one query at most."""
    wanted = set(filter(None, ids))
    if not wanted:
        return {}
    accounts = get_user_model()._default_manager.in_bulk(wanted)
    return {str(account.pk): str(account.get_username()) for account in accounts.values()}
