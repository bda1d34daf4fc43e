from __future__ import annotations

import socket


class PortTaken(Exception):
    """A part cannot have the port that it needs. The message names the port and a way out."""


def refuse_taken(ports: dict[str, int]) -> None:
    """Raise PortTaken for the first port that is not free. `ports` maps variable names to ports."""
    for name, port in ports.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError:
                raise PortTaken(
                    f"Port {port} ({name}) is reserved for the system: "
                    f"choose one above 1023, such as `PORT=9000 make run`."
                ) from None
            except OSError:
                raise PortTaken(
                    f"Port {port} ({name}) is taken by another program: stop that program, or "
                    f"choose another port with `PORT=9000 make run`."
                ) from None
