"""Start, stop and delete the checkout's own PostgreSQL.

1. The server is ready when it accepts a connection to the site's database. A start creates that
   database last, so a command cannot connect to a server that is half set up.
2. A command holds the checkout's lock while it changes something: two commands that start the
   server at once would otherwise both run `initdb`.
3. `initdb` writes to a temporary folder that is renamed at the end. An interrupted `initdb`
   leaves no data folder that looks complete.
4. The server outlives the command that started it. Only `stop` ends it.
5. The folder of the socket is looked at before it is used (ownership.py): another user's server
   there is not connected to, and another user's process not ended.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg

from melodymaker.embedded.errors import DatabaseUnavailable
from melodymaker.embedded.ownership import owner_for, refuse_foreign, refuse_unless_of
from melodymaker.embedded.place import DATABASE, PORT, USER, Place
from melodymaker.embedded.processes import end_postgres, is_postgres, pid_in
from melodymaker.embedded.programs import Programs, unreachable

PATIENCE = 60  # seconds for a start (it may be replaying its log) or a stop

CONFIGURATION = """\
# Written by melodymaker.embedded at every start.
listen_addresses = ''
unix_socket_directories = '{sockets}'
port = {port}
"""
SMALL = "shared_buffers = 64MB\n"


def start(base: Path, programs: Programs | None = None, more: str = SMALL) -> None:
    """Start the server of the checkout `base` and return when it answers. Raises
    DatabaseUnavailable if it cannot.

    `programs` are those of the wheel unless others are given; `more` are lines of its
    configuration.
    """
    place = Place(base)
    if _lets_us_in(place):
        return
    with place.locked():
        if _lets_us_in(place):
            return
        programs = programs or Programs.find()
        _own_folders(place, programs)
        if not place.data.exists():
            _initialise(place, programs)
        _same_version(place, programs)
        _configure(place, programs, more)
        _run(place, programs)
        _create_database(place)


def stop(base: Path) -> bool:
    """Stop the server even if programs are connected. False if it was not running."""
    place = Place(base)
    if not place.sockets.exists():
        return False
    refuse_foreign(place.sockets)
    with place.locked():
        ran = _stop(place)
        shutil.rmtree(place.sockets, ignore_errors=True)
    return ran


def forget(base: Path) -> bool:
    """Stop the server and delete its data. False if there were none."""
    place = Place(base)
    known = place.guard.exists()
    refuse_foreign(place.sockets)
    with place.locked():
        _stop(place)
        shutil.rmtree(place.guard, ignore_errors=not known)
        shutil.rmtree(place.sockets, ignore_errors=True)
        place.log.unlink(missing_ok=True)
    return known


def status(base: Path) -> str:
    """The state of the database in one sentence, for the operator."""
    place = Place(base)
    if _lets_us_in(place):
        return f"The database of this checkout runs; its data are in {place.guard}."
    if place.data.exists():
        return f"The database of this checkout is stopped; its data are in {place.guard}."
    return "This checkout has no database yet. The first command that needs one creates it."


def others(base: Path) -> int:
    """How many other connections the server has now; 0 if it is not running."""
    question = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    try:
        with _connect(Place(base), DATABASE) as connection:
            row = connection.execute(question).fetchone()
    except psycopg.OperationalError:
        return 0
    return row[0] if row else 0


def _connect(place: Place, database: str) -> psycopg.Connection[Any]:
    refuse_foreign(place.sockets)
    return psycopg.connect(
        host=str(place.sockets),
        port=PORT,
        user=USER,
        dbname=database,
        connect_timeout=5,
        autocommit=True,
    )


def _lets_us_in(place: Place) -> bool:
    try:
        _connect(place, DATABASE).close()
    except psycopg.OperationalError:
        return False
    return True


def _own_folders(place: Place, programs: Programs) -> None:
    """Make two private folders. Our user owns them if the server's may pass over permissions, else
    the server's user does."""
    account = programs.account
    if not account.reaches(place.guard):
        raise unreachable(place.base)
    owner = owner_for(account)
    group = os.getegid() if account.reaches_everything else account.gid
    for folder in (place.guard, place.sockets):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner, group)
        refuse_unless_of(folder, owner)
    place.log.touch()
    os.chown(place.log, account.uid, account.gid)


def _initialise(place: Place, programs: Programs) -> None:
    fresh = place.guard / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, programs.account.uid, programs.account.gid)
    locale = ["--no-locale"]
    if int(programs.major) >= 17:  # knows Unicode's letters without the system's locales
        locale = ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
    made = programs.run(
        "initdb",
        f"--pgdata={fresh}",
        f"--username={USER}",
        "--auth=trust",  # the socket lies in a private folder
        "--encoding=UTF8",
        *locale,
    )
    if made.returncode:
        raise _unavailable("initdb could not make the database", made)
    with (fresh / "postgresql.conf").open("a") as file:
        file.write("\ninclude_if_exists 'melodymaker.conf'\n")
    fresh.rename(place.data)


def _same_version(place: Place, programs: Programs) -> None:
    version = (place.data / "PG_VERSION").read_text().strip()
    if version != programs.major:
        raise DatabaseUnavailable(
            f"The data in {place.guard} were written by PostgreSQL {version}, and the one here "
            f"is {programs.major}: delete the data with `make clean`, or name a database in "
            f"DATABASE_URL."
        )


def _configure(place: Place, programs: Programs, more: str) -> None:
    """Write a file. Options on the command line would not do: `pg_ctl` quotes none of them."""
    sockets = str(place.sockets).replace("'", "''")
    file = place.data / "melodymaker.conf"
    file.write_text(CONFIGURATION.format(sockets=sockets, port=PORT) + more)
    os.chown(file, programs.account.uid, programs.account.gid)


def _run(place: Place, programs: Programs) -> None:
    """Start the server, or restart it if its socket was deleted from the temporary folder."""
    verb = "restart" if _alive(place) else "start"
    if verb == "start":
        _clear(place)
    elif _listens(place):
        return  # it runs and is busy: starting up, or out of connections
    arguments = (f"--pgdata={place.data}", f"--log={place.log}", "--mode=fast")
    begun = programs.run("pg_ctl", verb, *arguments, "--wait", f"--timeout={PATIENCE}")
    if begun.returncode:
        raise _unavailable("PostgreSQL did not start", begun, place.log)


def _alive(place: Place) -> bool:
    return is_postgres(pid_in(place.pid_file))


def _clear(place: Place) -> None:
    """Remove what a killed server left behind.

    After a reboot another program may have the number in the lock file, and PostgreSQL would
    wait for it. A server whose data were deleted may still hold the socket, so it is ended.
    """
    lock = place.socket.with_name(place.socket.name + ".lock")
    end_postgres(pid_in(lock))
    for leftover in (place.pid_file, lock, place.socket):
        leftover.unlink(missing_ok=True)


def _listens(place: Place) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(place.socket)) == 0


def _create_database(place: Place) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with _connect(place, "postgres") as connection:
                known = "SELECT 1 FROM pg_database WHERE datname = %s"
                if not connection.execute(known, [DATABASE]).fetchone():
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
                return
        except psycopg.OperationalError as problem:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"PostgreSQL does not answer: {problem}") from problem
            time.sleep(0.2)


def _stop(place: Place) -> bool:
    if not _alive(place):
        _clear(place)
        return False
    arguments = (f"--pgdata={place.data}", "--mode=fast", "--wait", f"--timeout={PATIENCE}")
    ended = Programs.find().run("pg_ctl", "stop", *arguments)
    if ended.returncode and _alive(place):
        raise _unavailable("PostgreSQL did not stop", ended, place.log)
    return True


def _unavailable(
    what: str, ended: CompletedProcess[str], log: Path | None = None
) -> DatabaseUnavailable:
    """The error: a sentence, and the last lines that the program or the server wrote."""
    said = (ended.stdout + ended.stderr).strip().splitlines()
    if log is not None:
        said += log.read_text(errors="replace").strip().splitlines()[-5:]
    lines = "\n".join(f"  {line}" for line in said[-10:])
    return DatabaseUnavailable(f"{what}. Its last lines:\n{lines}")
