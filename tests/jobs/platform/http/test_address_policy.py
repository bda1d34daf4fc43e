"""Which hosts are asked, and at which addresses."""

from __future__ import annotations

import threading
from ipaddress import ip_address

import pytest

from jobs.fetch.request import allows
from jobs.platform.http.address_policy import Refused, kind_of, origin_of
from jobs.platform.http.connection_pool import Transport
from tests.support.hostile_endpoint import Adversary, allow, answer, ask, is_final, message


def leading_to(*addresses: str) -> Transport:
    return Transport(lambda host, port: list(addresses))


def test_an_address_listed_with_its_port_is_asked(settings):
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(server.url).error is None


def test_localhost_listed_with_its_port_is_asked(settings):
    with Adversary(answer()) as server:
        allow(settings, f"localhost:{server.port}")
        assert ask(server.url_of("localhost")).error is None


def test_localhost_that_leads_elsewhere_is_refused(settings):
    allow(settings, "localhost:8001")
    outcome = ask("http://localhost:8001/", transport=leading_to("10.0.0.7"))
    assert is_final(outcome)


def test_a_host_outside_the_allow_list_is_refused_unheard(settings):
    with Adversary(answer()) as server:
        allow(settings, "songs.test")
        outcome = ask(server.url)
    assert message(outcome) == (f'{server.netloc} is not in JOBS["ALLOWED_HOSTS"] (songs.test)')
    assert is_final(outcome)
    assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.5",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "203.0.113.7",
        "::1",
        "::",
        "::7f00:1",
        "fe80::1",
        "fe80::1%lo",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2001:0:1::1",
    ],
)
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(settings, address):
    allow(settings, "songs.test")
    outcome = ask("http://songs.test/", transport=leading_to("8.8.8.8", address))
    assert message(outcome).startswith("songs.test leads to ")
    assert is_final(outcome)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_of_no_kind(address):
    assert kind_of(ip_address(address)) == ""


def test_a_private_address_is_asked_where_settings_name_the_host_as_private(settings):
    with Adversary(answer()) as server:
        allow(settings, f"studio:{server.port}", private=("studio",))
        outcome = ask(server.url_of("studio"), transport=leading_to("127.0.0.1"))
    assert outcome.error is None
    assert server.heard[0].headers["host"] == f"studio:{server.port}"


def test_the_sentence_of_a_private_address_says_what_would_allow_it(settings):
    allow(settings, "studio:8001")
    outcome = ask("http://studio:8001/", transport=leading_to("172.18.0.4"))
    assert message(outcome) == (
        "studio leads to 172.18.0.4, a private address; "
        'JOBS["PRIVATE_HOSTS"] must name it if that is meant'
    )


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200"])
def test_no_name_may_lead_to_the_cloud_s_metadata(settings, address):
    allow(settings, "studio", private=("studio",))
    outcome = ask("http://studio/", transport=leading_to(address))
    assert "cloud metadata address; no name may lead there" in message(outcome)
    assert is_final(outcome)


def test_a_private_name_outside_the_allow_list_is_refused(settings):
    with Adversary(answer()) as server:
        allow(settings, private=("studio",))
        outcome = ask(server.url_of("studio"), transport=leading_to("127.0.0.1"))
    assert is_final(outcome)
    assert server.connections == 0


def test_a_name_that_resolves_differently_the_second_time_gains_nothing(settings):
    """Each answer of the resolver is vetted by itself, and what was vetted is what is dialled."""
    answers = [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]]
    asked: list[str] = []

    def fickle(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with Adversary(answer(Connection="close")) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = Transport(fickle)
        url = server.url_of("songs.test")
        first, second, third = (ask(url, transport=transport) for _ in range(3))
    assert first.error is None
    assert is_final(second)
    assert third.error is None
    assert asked == ["songs.test"] * 3  # once for each connection, never between check and dial
    assert len(server.heard) == 2


def test_a_kept_connection_goes_where_it_was_dialled(settings):
    answers = [["127.0.0.1"], ["10.0.0.5"]]
    with Adversary(answer()) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = Transport(lambda host, port: answers.pop(0))
        for _ in range(3):
            assert ask(server.url_of("songs.test"), transport=transport).error is None
    assert server.connections == 1
    assert answers == [["10.0.0.5"]]


def test_a_name_without_an_address_can_be_tried_again(settings):
    allow(settings, "songs.test")
    outcome = ask("http://songs.test/", transport=leading_to())
    assert message(outcome) == "no connection to songs.test:80: its name has no address"
    assert not is_final(outcome)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://songs.test/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("songs.test/make", "only http and https"),
        ("http:///make", "not a host's name"),
        ("http://user:word@songs.test/", "user name"),
        ("http://@songs.test/", "user name"),
        ("http://songs.test\\@evil.test/", "user name"),
        ("http://songs.test./", "not a host's name"),
        ("http://songs..test/", "not a host's name"),
        ("http://-songs.test/", "not a host's name"),
        ("http://söngs.test/", "xn--"),
        ("http://songs。test/", "xn--"),
        ("http://songs%2etest/", "not a host's name"),
        ("http://songs .test/", "not a host's name"),
        ("http://songs.test:0/", "port 0"),
        ("http://songs.test:65536/", "cannot be read"),
        ("http://songs.test:http/", "cannot be read"),
        ("http://2130706433/", "is a number"),
        ("http://0x7f000001/", "is a number"),
        ("http://0177.0.0.1/", "is a number"),
        ("http://127.1/", "is a number"),
        ("http://127.0.0.0x1/", "is a number"),
        ("http://[fe80::1%25lo]/", "not a host's name"),
        ("http://[::1/", "cannot be read"),
        ("http://songs.test/\r\nX: y", "control character"),
        ("http://so\tngs.test/", "control character"),
        ("http://" + "a" * 64 + ".test/", "not a host's name"),
    ],
)
def test_an_odd_address_is_refused_with_a_sentence(settings, url, word):
    allow(settings, "songs.test", "evil.test", "127.0.0.1", "127.0.0.1:80")
    with pytest.raises(Refused, match=word):
        origin_of(url)
    assert not allows(url)
    assert is_final(ask(url))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://songs.test/", True),
        ("http://SONGS.TEST/", True),
        ("https://songs.test:443/", True),
        ("https://songs.test:22/", False),
        ("https://more.songs.test/", False),
        ("https://songs.test.evil.test/", False),
        ("https://ports.test:8443/", True),
        ("https://ports.test/", False),
        ("http://[::1]:8001/", True),
    ],
)
def test_an_entry_without_a_port_stands_for_80_and_443(settings, url, allowed):
    allow(settings, "Songs.test", "ports.test:8443", "[::1]:8001")
    assert allows(url) == allowed


@pytest.mark.parametrize("host", ["10.0.0.5", "169.254.169.254", "[::1]"])
def test_a_private_address_listed_without_its_port_is_refused(settings, host):
    allow(settings, host)
    outcome = ask(f"http://{host}/")
    assert "must list it with its port" in message(outcome)
    assert is_final(outcome)


# --- looking up -----------------------------------------------------------------------------------


class Resolver:
    """Answers when it may, and counts how often it was asked."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        self.may_answer.wait(10)
        return ["127.0.0.1"]


def test_requests_that_start_together_share_a_look_up():
    resolver = Resolver()
    transport = Transport(resolver)
    found = [transport._found("songs.test", 80) for _ in range(100)]
    other = transport._found("other.test", 80)
    resolver.may_answer.set()

    assert [future.result(10) for future in [*found, other]] == [["127.0.0.1"]] * 101
    assert sorted(resolver.asked) == ["other.test", "songs.test"]


def test_what_was_found_is_not_kept():
    resolver = Resolver()
    resolver.may_answer.set()
    transport = Transport(resolver)
    for _ in range(3):
        transport._found("songs.test", 80).result(10)
    assert resolver.asked == ["songs.test"] * 3


def test_no_request_joins_in_a_look_up_that_hangs(monkeypatch):
    monkeypatch.setattr("jobs.platform.http.connection_pool.LOOKUP_SHARED_FOR", 0.0)
    resolver = Resolver()
    transport = Transport(resolver)
    hanging, fresh = (transport._found("songs.test", 80) for _ in range(2))
    assert hanging is not fresh
    resolver.may_answer.set()
    assert fresh.result(10) == ["127.0.0.1"]
