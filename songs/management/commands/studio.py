"""`manage.py studio`: serve the local song endpoint, which stands in for the hosted one."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from songs.studio.calls import Calls
from songs.studio.contract import PATH
from songs.studio.server import Door, Studio, StudioServer


class Command(BaseCommand):
    help = (
        "Serve the local song endpoint: the hosted one's contract, music composed on this machine."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=getattr(settings, "STUDIO_PORT", 8001),
                            help="port to listen on (STUDIO_PORT)")  # fmt: skip
        parser.add_argument("--delay", type=float, default=getattr(settings, "STUDIO_DELAY", 0.0),
                            help="seconds that a song takes at least (STUDIO_DELAY)")  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("studio").setLevel(logging.INFO)
        server = _open(options["host"], options["port"], _studio(options["delay"]))
        host, port = server.server_address[:2]
        self.stdout.write(f"The studio is open at http://{host!s}:{port}{PATH}")
        self.stdout.flush()
        _close_on_signal(server)
        server.serve_forever(poll_interval=0.2)
        server.server_close()
        self.stdout.write("The studio is closed.")


def _studio(delay: float) -> Studio:
    key, secret = getattr(settings, "MODAL_KEY", ""), getattr(settings, "MODAL_SECRET", "")
    if not (key and secret):
        raise CommandError(
            "The studio needs MODAL_KEY and MODAL_SECRET, which each request must send."
        )
    if not 0 <= delay <= 3600:
        raise CommandError(f"--delay is {delay:g}; it must be between 0 and 3600 seconds.")
    door = Door(key, secret, float(getattr(settings, "STUDIO_REDIRECT_AFTER", 150.0)))
    return Studio(door, Calls(delay))


def _open(host: str, port: int, studio: Studio) -> StudioServer:
    try:
        return StudioServer((host, port), studio)
    except OverflowError as error:
        raise CommandError(f"--port is {port}; it must be between 0 and 65535.") from error
    except OSError as error:
        is_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        reason = (
            "is already in use"
            if error.errno == errno.EADDRINUSE
            else f"cannot be opened ({error.strerror})"
        )
        another = "host with --host" if is_host else "port with --port or STUDIO_PORT"
        raise CommandError(f"{host}:{port} {reason}: choose another {another}.") from error


def _close_on_signal(server: StudioServer) -> None:
    """Call `shutdown()` in another thread: it waits for the loop that the signal interrupts."""

    def close(signum: int, frame: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, close)
