"""The processes of a running MelodyMaker, in the order in which they start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    name: str
    arguments: tuple[str, ...]  # for this Python, in the checkout's folder


PARTS = (
    Part("studio", ("manage.py", "studio")),
    Part("web", ("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "melodymaker.wsgi")),
    Part("cluster", ("manage.py", "qcluster")),
)
