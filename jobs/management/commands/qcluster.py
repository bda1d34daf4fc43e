"""Django finds this command before django-q2's of the same name."""

from __future__ import annotations

from jobs.cluster.command import Command

__all__ = ["Command"]
