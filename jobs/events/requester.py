"""At whose asking something is done: a person's, whose permissions are asked, or the code's own,
which may do everything.

    with asked_by(request.user):
        rerun(run_id)  # NotAllowed, if this account may not

A run that a person asked for remembers the account's id (`Run.asked_by`), and so do the runs that
it invokes and its hooks. What such a run does to other runs is asked for again when it does it: the
account is looked up anew, and has to be there, open, and still allowed.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from jobs.errors import NotAllowed
from jobs.models import Run


@dataclass(frozen=True, slots=True)
class Asker:
    """An account as it is now. `id` is empty if the code itself asks; `user` is then None, as it
    is for an account that is gone."""

    id: str = ""
    user: Any = None

    @property
    def name(self) -> str:
        """How people call the account; empty for the code."""
        if self.user is None:
            return self.id and f"account {self.id}, which is gone"
        return str(self.user.get_username())

    def refusal(self, permission: str, run: Run | None = None) -> str:
        """Why this asker may not do it (to this run); empty if nothing is in the way."""
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
        """Raise NotAllowed with the reason, if there is one."""
        if refusal := self.refusal(permission, run):
            raise NotAllowed(refusal)


CODE = Asker()
# The asker, where one is named …
_named: ContextVar[Asker | None] = ContextVar("named", default=None)
# … and the run whose function this thread is in, which has an asker, or none.
_inside: ContextVar[uuid.UUID | None] = ContextVar("inside", default=None)


@contextlib.contextmanager
def asking(asker: Asker) -> Iterator[None]:
    """What is done inside this block is done at this asker's asking."""
    token = _named.set(asker)
    try:
        yield
    finally:
        _named.reset(token)


def asked_by(user: Any) -> contextlib.AbstractContextManager[None]:
    """What is done inside this block is done at the asking of this account (a user of Django's)."""
    return asking(Asker(str(user.pk), user))


@contextlib.contextmanager
def inside(run_id: uuid.UUID) -> Iterator[None]:
    """The function of this run is called inside this block."""
    named, run = _named.set(None), _inside.set(run_id)
    try:
        yield
    finally:
        _inside.reset(run)
        _named.reset(named)


def on_behalf_of(run_id: uuid.UUID) -> contextlib.AbstractContextManager[None]:
    """What is done inside this block follows from this run, unless an asker is named already."""
    named = _named.get()
    return asking(named if named is not None else account(id_of(run_id)))


def current() -> Asker:
    """The asker that is named, or that of the run whose code this is; CODE if there is none."""
    named = _named.get()
    return named if named is not None else account(current_id())


def current_id() -> str:
    """The same one's id alone."""
    named, run_id = _named.get(), _inside.get()
    if named is not None:
        return named.id
    return id_of(run_id) if run_id is not None else ""


def named_id() -> str:
    """The id of the asker, if one is named: what a new run remembers, without a query."""
    asker = _named.get()
    return asker.id if asker is not None else ""


def id_of(run_id: uuid.UUID) -> str:
    """The account that asked for this run."""
    return Run.objects.filter(id=run_id).values_list("asked_by", flat=True).first() or ""


def account(id: str) -> Asker:
    """The asker of this id, looked up now; CODE if it is empty."""
    if not id:
        return CODE
    model = get_user_model()
    try:
        return Asker(id, model._default_manager.filter(pk=id).first())
    except (TypeError, ValueError):
        return Asker(id)
