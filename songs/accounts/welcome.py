"""The welcome credits: once for an account and once for an address, when the address is confirmed.

An address is recognised when it returns, also in another case, with a tag (`me+songs@…`), in quotes
(`"me"@…`), with its domain in letters that mean the same to the mail's server and, at Gmail, with
other dots. Only a keyed hash of it is kept, so the table tells no address, and nothing
is left to find out with it but whether a given address has been welcomed.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.encoding import punycode

from songs import credits
from songs.models import CreditEntry, EntryKind, User, WelcomedAddress

SALT = "songs.accounts.welcome"
GMAIL = ("gmail.com", "googlemail.com")


@transaction.atomic
def welcome(user: User, address: str) -> CreditEntry | None:
    """Grant the welcome credits for a confirmed address; None if it or the account had them.

    The account's row is locked first. Of two accounts with the same address, the second waits for
    the first one's digest, and then gets nothing.
    """
    credits.lock(user)
    if had_welcome(user) or not settings.STARTING_CREDITS:
        return None
    if WelcomedAddress.objects.filter(pk__in=digests(address)).exists():
        return None
    newest, *_ = digests(address)
    _, is_new = WelcomedAddress.objects.get_or_create(pk=newest)
    return credits.welcome(user) if is_new else None


def had_welcome(user: User) -> bool:
    return user.credit_entries.filter(kind=EntryKind.WELCOME).exists()


def digests(address: str) -> list[str]:
    """By SECRET_KEY, and by each key before it."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    plain = normalised(address)
    return [salted_hmac(SALT, plain, secret=key, algorithm="sha256").hexdigest() for key in keys]


def normalised(address: str) -> str:
    """The mailbox that the address leads to, as far as its spelling tells."""
    local, _, domain = address.strip().lower().rpartition("@")
    local, domain = _unquoted(local), _as_mail_is_sent(domain)
    local = local.split("+", 1)[0] or local
    if domain in GMAIL:
        local, domain = local.replace(".", ""), GMAIL[0]
    return f"{local}@{domain}"


def _unquoted(local: str) -> str:
    is_quoted = len(local) > 2 and local[0] == local[-1] == '"'
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if is_quoted else local


def _as_mail_is_sent(domain: str) -> str:
    """In ASCII, as Django puts it into the mail: “ｇmail.com” is gmail.com."""
    try:
        return punycode(domain).lower()
    except UnicodeError:
        return domain
