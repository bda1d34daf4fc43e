"""Django looks for the command here, before it finds django-q2's of the same name."""

from __future__ import annotations

from jobs.cluster.command import Command

__all__ = ["Command"]
