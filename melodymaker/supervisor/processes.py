"""The processes of a running MelodyMaker, in the order in which they start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    name: str
    arguments: tuple[str, ...]  # for this Python, in the checkout's folder
    loaded: str = ""  # what it says when it has loaded its code; empty: nothing


SOCKET = "fd://{socket}"  # in arguments: the supervisor's listening socket
# One worker loads new code in half the time that two need; its threads serve one developer.
GUNICORN = ("--config", "deploy/gunicorn.conf.py", "--workers", "1", "--bind", SOCKET)

PARTS = (
    Part("studio", ("manage.py", "studio")),
    Part("web", ("-m", "gunicorn", *GUNICORN, "melodymaker.wsgi"), loaded="The site is loaded."),
    Part("cluster", ("manage.py", "qcluster"), loaded="The cluster starts."),
)
