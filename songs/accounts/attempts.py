"""How many wrong passwords are let try, and from where.

An attempt is counted before the password is looked at, and taken back if it was right; so a hundred
attempts at once are counted like a hundred in turn. The counts are by network, and by account and
network. The account alone is never counted: a stranger elsewhere cannot lock it. A device on which
the account has signed in before has a count of its own, and the others do not hold it up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from songs import cache
from songs.accounts import known_devices
from songs.limits.network import network_of
from songs.models import User

WINDOW = timedelta(minutes=15)
BY_ACCOUNT = 10  # for one account from one network, or from one known device
BY_NETWORK = 50  # for all accounts from one network


@dataclass(frozen=True)
class Attempt:
    """One attempt to sign in, which has been counted."""

    counts: dict[str, cache.Count]
    most: dict[str, int]

    @property
    def wait(self) -> timedelta | None:
        """How long the sign-in pauses; None if the password may be looked at."""
        over = [c.ends_in for key, c in self.counts.items() if c.number > self.most[key]]
        return max(over) if over else None

    def take_back(self) -> None:
        """The password was right."""
        cache.take_back(*self.counts)


def begin(request: HttpRequest, name: str) -> Attempt:
    """Count an attempt for this name or e-mail address."""
    accounts = accounts_named(name)
    devices = [device for user in accounts if (device := known_devices.known(request, user))]
    if devices:
        most = {key("device", device.id, device.account): BY_ACCOUNT for device in devices}
    else:
        network = network_of(request)
        most = {key("network", network): BY_NETWORK}
        most |= {key("account", network, name): BY_ACCOUNT for name in _names(accounts, name)}
    return Attempt({counted: cache.count(counted, WINDOW) for counted in most}, most)


def accounts_named(name: str) -> list[User]:
    """The accounts that sign-in would try for this name: as the database compares names, which is
    not as Python does (“boß” and “boss” are two accounts)."""
    if not name:
        return []
    columns = ("username", "email", "emailaddress__email")  # one index each
    found = {user for column in columns for user in _users(column, name)}
    return sorted(found, key=lambda user: user.pk)


def _users(column: str, name: str) -> QuerySet[User]:
    return User.objects.filter(**{f"{column}__iexact": name})


def in_words(wait: timedelta) -> str:
    """“12 minutes”"""
    minutes = max(math.ceil(wait.total_seconds() / 60), 1)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _names(accounts: list[User], name: str) -> list[str]:
    """What stands for the accounts. A name of no account is counted too, or the pause would tell
    which names have accounts."""
    return [str(user.pk) for user in accounts] or [f"none:{_folded(name)}"]


def _folded(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT upper(%s)", [name])
        (upper,) = cursor.fetchone()
        return str(upper)


def key(kind: str, *parts: object) -> str:
    """A key that tells neither the name nor the network."""
    digest = salted_hmac("songs.accounts.attempts", "\n".join(map(str, parts)), algorithm="sha256")
    return f"attempts:{kind}:{digest.hexdigest()}"
