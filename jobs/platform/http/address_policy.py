"""Where a request may go: which URLs, and which addresses behind a name. By other addresses, DNS
records could lead an attacker to the workers' neighbours: databases, the cloud's metadata service
(OWASP, "Server-Side Request Forgery Prevention").

| may lead to | which hosts |
|---|---|
| public addresses | every host of JOBS["ALLOWED_HOSTS"] |
| any address | an IP literal listed there with its port, as `127.0.0.1:8001` |
| loopback | `localhost`, listed with its port |
| private, loopback and carrier-grade NAT addresses | names in JOBS["PRIVATE_HOSTS"] |
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from jobs import conf
from jobs.errors import FetchCode
from jobs.lib.excerpts import quoted

DEFAULT_PORTS = {"http": 80, "https": 443}
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

LOOPBACK, PRIVATE, SHARED = "loopback", "private", "carrier-grade NAT"
# The first match names the kind (IANA's special-purpose registries; older Pythons' is_global lacks
# some).
KINDS = {
    "cloud metadata": (
        "169.254.169.254/32 169.254.170.2/32 100.100.100.200/32 168.63.129.16/32 "
        "192.0.0.192/32 fd00:ec2::/64 fd20:ce::254/128"
    ),
    LOOPBACK: "127.0.0.0/8 ::1/128",
    "link-local": "169.254.0.0/16 fe80::/10",
    PRIVATE: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7",
    SHARED: "100.64.0.0/10",
    "unspecified": "0.0.0.0/8 ::/128",
    "multicast": "224.0.0.0/4 ff00::/8",
    "translated IPv4": "::ffff:0:0/96 ::/96 64:ff9b:1::/48 2002::/16 2001::/32",
    "reserved": "192.0.0.0/24 192.88.99.0/24 3fff::/20",
}
NETWORKS = [(kind, ip_network(net)) for kind, nets in KINDS.items() for net in nets.split()]
NAT64 = ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ip_network("2000::/3")


class Refused(Exception):
    code = FetchCode.REFUSED


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        netloc = self.netloc.removesuffix(f":{DEFAULT_PORTS[self.scheme]}")
        return f"{self.scheme}://{netloc}"


# --- URLs -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1000)
def origin_of(url: str) -> Origin:
    """Refused quotes only the host."""
    if CONTROL.search(url):
        raise Refused("the address holds a line break or another control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("the address's host or port cannot be read") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise Refused(f"its scheme is {quoted(parts.scheme, 20)}; only http and https are asked")
    if "@" in parts.netloc:
        raise Refused("the address holds a user name or a password; pass them as a header")
    if port == 0:
        raise Refused("port 0 cannot be asked")
    host = parts.hostname or ""
    _refuse_odd(host)
    return Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])


def _refuse_odd(host: str) -> None:
    """Two programs might read such a host differently."""
    if "%" not in host and _literal(host) is not None:
        return
    if not host.isascii():
        raise Refused("the host's name is not ASCII; write it in its xn-- form")
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise Refused(f"{quoted(host)} is not a host's name")
    if NUMBER.fullmatch(labels[-1]):
        raise Refused(f"{quoted(host)} is a number; write an IPv4 address as four decimal parts")


def is_confidential(url: str) -> bool:
    """Whether a URL of an allowed host may carry a secret."""
    origin = origin_of(url)
    address = _literal(origin.host)
    is_here = origin.host == "localhost" or (address is not None and address.is_loopback)
    is_ours = _is_named(origin.host, origin.port, conf.private_hosts())
    return origin.scheme == "https" or is_here or is_ours


def is_literal(host: str) -> bool:
    return _literal(host) is not None


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


# --- hosts ----------------------------------------------------------------------------------------


def permit(host: str, port: int) -> None:
    """Raise Refused unless JOBS["ALLOWED_HOSTS"] lists the host."""
    allowed = conf.allowed_hosts()
    if not _is_listed(host, port, allowed):
        netloc = Origin("", host, port).netloc
        raise Refused(f'{netloc} is not in JOBS["ALLOWED_HOSTS"] ({", ".join(allowed) or "empty"})')


def _is_listed(host: str, port: int, entries: Sequence[str]) -> bool:
    bare = (host, None) if port in DEFAULT_PORTS.values() else None
    return any(_entry(entry) in ((host, port), bare) for entry in entries)


def names_a_host(entry: str) -> bool:
    return bool(_entry(entry)[0])


@lru_cache
def _entry(entry: str) -> tuple[str, int | None]:
    """A host, "host:port" or "[IPv6]:port"."""
    try:
        parts = urlsplit(f"//{entry.strip().lower()}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


# --- addresses ------------------------------------------------------------------------------------


def vet(host: str, port: int, addresses: Iterable[str]) -> list[str]:
    vetted = []
    for text in addresses:
        address = ipaddress.ip_address(text)
        kind = kind_of(address)
        if kind and not _is_opened(host, port, kind):
            raise Refused(f"{host} leads to {address}, a {kind} address; {_hint(host, kind)}")
        vetted.append(str(address))
    return vetted


def kind_of(address: IPv4Address | IPv6Address) -> str:
    """Why it is not public, or ""."""
    for kind, network in NETWORKS:
        if address in network:
            return kind
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return kind_of(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.scope_id or address not in GLOBAL_UNICAST:
            return "reserved"
    return "" if address.is_global else "reserved"


def _is_opened(host: str, port: int, kind: str) -> bool:
    listed = (host, port) in map(_entry, conf.allowed_hosts())
    if _literal(host) is not None:
        return listed
    if host == "localhost":
        return listed and kind == LOOPBACK
    return kind in (LOOPBACK, PRIVATE, SHARED) and _is_named(host, port, conf.private_hosts())


def _is_named(host: str, port: int, entries: Sequence[str]) -> bool:
    return any(_entry(entry) in ((host, port), (host, None)) for entry in entries)


def _hint(host: str, kind: str) -> str:
    if _literal(host) is not None or host == "localhost":
        return 'JOBS["ALLOWED_HOSTS"] must list it with its port if that is meant'
    if kind in (LOOPBACK, PRIVATE, SHARED):
        return 'JOBS["PRIVATE_HOSTS"] must name it if that is meant'
    return "no name may lead there"
