"""What a configuration must not start with: half of production's, keys that are known or weak, and
passwords and keys that would travel in clear.

Each function yields sentences for `ENV_PROBLEMS`; `manage.py check` reports them all, and neither
the site nor a cluster starts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

DEVELOPMENT_KEY = "development-only-key"
KNOWN_KEYS = (DEVELOPMENT_KEY, "django-insecure-", "at-least-50-random-characters")
SHORTEST_KEY, FEWEST_CHARACTERS = 50, 10
STUDIO_KEYS = ("studio-key", "studio-secret")
LOCAL_NAMES = ("localhost", "")
TLS = ("require", "verify-ca", "verify-full")
NO_DATABASE = (
    "DATABASE_URL: missing, while DEBUG is off. The checkout's own database is for development; "
    "name one for production, or set DEBUG=1."
)
MAKES_A_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(64))' makes one."


def half(marks: dict[str, bool], *, has_database: bool) -> Iterator[str]:
    """Variables that only production needs, where DATABASE_URL is missing and DEBUG is not set: the
    site would run on the checkout's own database, with debug pages for all visitors."""
    given = [name for name, is_set in marks.items() if is_set]
    if given and not has_database:
        yield (
            f"DATABASE_URL: missing, while {', '.join(given)} {_is(given)} production's. Set "
            "DATABASE_URL too, or DEBUG=1 for a development machine."
        )


def weak_key(key: str) -> Iterator[str]:
    """A SECRET_KEY that others know or may guess, with which they sign in as any account."""
    if any(key.startswith(known) for known in KNOWN_KEYS):
        yield f"SECRET_KEY: strangers know what is set. {MAKES_A_KEY}"
    elif len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_CHARACTERS:
        yield (
            f"SECRET_KEY: what is set has {len(key)} characters, {len(set(key))} different ones; "
            f"production needs {SHORTEST_KEY} random ones at least. {MAKES_A_KEY}"
        )


def studio_in_production(endpoint: str, studio: str, keys: Collection[str]) -> Iterator[str]:
    if endpoint == studio:
        yield (
            "GENERATE_FROM_DESCRIPTION: missing. Production needs the URL of the endpoint that "
            "makes the songs; the studio is for development."
        )
    if set(keys) & set(STUDIO_KEYS):
        yield (
            "MODAL_KEY, MODAL_SECRET: what is set is the studio's, and strangers know it. Set the "
            "endpoint's own."
        )


def plain_endpoint(url: str, private_hosts: Collection[str]) -> Iterator[str]:
    """MODAL_KEY and MODAL_SECRET would be sent in clear through a network that is not ours."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_local(host) and host not in private_hosts:
        yield (
            f"GENERATE_FROM_DESCRIPTION: http:// would send the keys to {host} in clear. Use "
            "https://, or name the host in JOBS_PRIVATE_HOSTS if the network between is yours."
        )


def plain_database(name: str, given: dict[str, Any]) -> Iterator[str]:
    """A database on another host whose connection may be read on its way. libpq's default,
    `sslmode=prefer`, goes on in clear if the server offers no TLS."""
    options = given.get("OPTIONS", {})
    hosts = f"{options.get('host') or given.get('HOST') or ''}".split(",")
    others = [host for host in hosts if not is_local(host)]
    mode = options.get("sslmode", "prefer")
    if others and mode not in TLS:
        yield (
            f"{name}: {', '.join(others)} {_is(others)} another host, and sslmode={mode} may send "
            "passwords and rows in clear. Add ?sslmode=verify-full (or require, which does not "
            "check whose server it is)."
        )


def unknown_proxies(proxies: int) -> Iterator[str]:
    if not proxies:
        yield (
            "PROXIES: 0, while BEHIND_PROXY is on. Say how many proxies stand before the site; "
            "with 0, all visitors would share the limits of the proxy's address."
        )


def is_local(host: str) -> bool:
    """Whether the host is this machine: a name, an address of loopback, a folder of sockets."""
    if host.startswith(("/", "@")) or host in LOCAL_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
