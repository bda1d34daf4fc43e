"""Whose a folder is. Any user may make one in `/tmp` under the name that this checkout computes, so
the socket's folder is looked at before a connection is made or a process is ended."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from melodymaker.embedded.errors import DatabaseUnavailable
from melodymaker.embedded.programs import Account


def refuse_foreign(folder: Path) -> None:
    """Raise DatabaseUnavailable if the folder exists and is not private to this user, or to the
    user that root lends the server."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if found.st_uid != os.geteuid() and os.geteuid() == 0:
        refuse_unless_of(folder, owner_for(Account.current()))
    else:
        refuse_unless_of(folder, os.geteuid())


def owner_for(account: Account) -> int:
    """The user that owns the folders of a server that runs as this account."""
    return os.geteuid() if account.reaches_everything else account.uid


def refuse_unless_of(folder: Path, owner: int) -> None:
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077:
        return
    raise DatabaseUnavailable(
        f"{folder} is not a private folder of user {owner} (it belongs to user "
        f"{found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}). If another user worked "
        f"in this checkout, let that user run `make clean`; else remove the folder."
    )
