"""What `manage.py studio` says of an address that it cannot have."""

from __future__ import annotations

import socket

import pytest
from django.core.management import CommandError, call_command


def refusal(**options: object) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("studio", **options)
    return str(refused.value)


def test_a_port_that_is_taken_is_to_be_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(port=port)
    assert said == (
        f"127.0.0.1:{port} is already in use: choose another port with --port or STUDIO_PORT."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no host"])
def test_a_host_that_is_none_of_this_machine_is_to_be_another_one(host: str) -> None:
    said = refusal(host=host, port=0)
    assert said.startswith(f"{host}:0 cannot be opened (")
    assert said.endswith("): choose another host with --host.")


def test_a_port_that_there_is_not_is_said_with_those_that_there_are() -> None:
    assert refusal(port=99_999) == "--port is 99999; it must be between 0 and 65535."
