"""All that leans on undocumented parts of Django's connection wrapper: its lists of open blocks,
savepoints, callbacks and execute wrappers, two of its flags, `_prepare_cursor` and `_commit`.

Other files read its raw connection and `in_atomic_block`, and call its methods. Workers come by
here for each step.

A Django that keeps them otherwise is an error of `manage.py check` (`jobs.E018`), which starts no
cluster: no public way leads there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import django
from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.lib.version_range import VersionRange, in_words

TESTED = VersionRange(
    "Django",
    django.get_version,
    first=(5, 2),
    behind=(6, 0),
    id="jobs.W026",
    otherwise="If it keeps a connection's transaction in another way, jobs.E018 says so.",
)
LISTS = ("run_on_commit", "savepoint_ids", "atomic_blocks", "execute_wrappers")
FLAGS = ("needs_rollback", "closed_in_transaction", "queries_logged")
PRIVATE = ("_prepare_cursor", "_commit")

Callback = Callable[[], Any]


def wrapped(here: BaseDatabaseWrapper, cursor: Any) -> Any:
    """With Django's errors and execute wrappers, as from `connection.cursor()`."""
    return here._prepare_cursor(cursor)  # type: ignore[attr-defined]


# --- open blocks and savepoints -------------------------------------------------------------------


def count_blocks(here: BaseDatabaseWrapper) -> int:
    """Open blocks of `transaction.atomic`."""
    return len(here.atomic_blocks)


def leave_last_block(here: BaseDatabaseWrapper, error: BaseException) -> None:
    """As if its body had raised the error."""
    here.atomic_blocks[-1].__exit__(type(error), error, None)


def count_savepoints(here: BaseDatabaseWrapper) -> int:
    return len(here.savepoint_ids)


@contextlib.contextmanager
def registered(here: BaseDatabaseWrapper, savepoint: str) -> Iterator[None]:
    """The body's `transaction.on_commit` callbacks go with this savepoint, which Django has not
    set.
    """
    savepoints = here.savepoint_ids
    savepoints.append(savepoint)
    try:
        yield
    finally:
        if savepoint in savepoints:
            savepoints.remove(savepoint)


def is_marked_for_rollback(here: BaseDatabaseWrapper) -> bool:
    return here.needs_rollback


def is_closed_in_transaction(here: BaseDatabaseWrapper) -> bool:
    return here.closed_in_transaction


def forget_connection(here: BaseDatabaseWrapper) -> None:
    """With its transaction and callbacks: the next statement connects again."""
    here.connection = None
    here.in_atomic_block = here.closed_in_transaction = here.needs_rollback = False
    here.savepoint_ids, here.atomic_blocks, here.run_on_commit = [], [], []


# --- callbacks of `transaction.on_commit` ---------------------------------------------------------


def pending_callbacks(here: Any) -> list[Callback]:
    return [callback for _, callback, _ in here.run_on_commit]


def is_last_callback(here: Any, callback: Callback) -> bool:
    """And not removed by a savepoint's rollback."""
    if not here.run_on_commit:
        return False
    savepoints, last, _ = here.run_on_commit[-1]
    return last is callback and savepoints <= set(here.savepoint_ids)


def replace_callbacks(here: Any, other: Callable[[Callback], Callback]) -> None:
    here.run_on_commit = [
        (savepoints, other(callback), is_robust)
        for savepoints, callback, is_robust in here.run_on_commit
    ]


# --- who looks at statements and commits ----------------------------------------------------------


def copy_wrappers(here: BaseDatabaseWrapper) -> list[Any]:
    return list(here.execute_wrappers)


def restore_wrappers(here: BaseDatabaseWrapper, wrappers: Iterable[Any]) -> None:
    here.execute_wrappers[:] = wrappers


def is_watched(here: BaseDatabaseWrapper) -> bool:
    """Whether execute wrappers or Django's log must see statements."""
    return bool(here.execute_wrappers) or here.queries_logged


@contextlib.contextmanager
def watched_commits(
    watch: Callable[[BaseDatabaseWrapper, Callable[[], None]], None],
) -> Iterator[None]:
    """Each commit of Django's is a call of `watch` with the connection and the commit itself."""
    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def watched(here: BaseDatabaseWrapper) -> None:
        watch(here, lambda: commit(here))

    BaseDatabaseWrapper._commit = watched  # type: ignore[attr-defined]
    try:
        yield
    finally:
        BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]


# --- the tested Django ----------------------------------------------------------------------------


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error (`jobs.E018`) for a Django that keeps any of it otherwise."""
    unknown = unknown_parts(connections[DEFAULT_DB_ALIAS].copy())
    if not unknown:
        return []
    what = (
        f"Django {django.get_version()} keeps the transaction of a connection in another way than "
        f"the engine knows ({', '.join(unknown)}): no step could commit."
    )
    hint = f"Install Django {in_words(TESTED.first)} (requirements.txt)."
    return [Error(what, hint=hint, id="jobs.E018")]


def unknown_parts(new: Any) -> list[str]:
    """Names of what a connection that is not open lacks, or has otherwise."""
    unknown = [name for name in LISTS if getattr(new, name, None) != []]
    unknown += [name for name in FLAGS if not isinstance(getattr(new, name, None), bool)]
    unknown += [name for name in PRIVATE if not callable(getattr(new, name, None))]
    return unknown or ([] if _keeps_triples(new) else ["run_on_commit"])


def _keeps_triples(new: Any) -> bool:
    new.in_atomic_block, new.savepoint_ids = True, ["savepoint"]
    new.on_commit(print, robust=True)
    return bool(new.run_on_commit == [({"savepoint"}, print, True)])
