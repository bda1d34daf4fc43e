"""The engine's own fake endpoint, under the name that its tests know."""

from __future__ import annotations

from jobs.testing import Answer, Asked, Endpoint

__all__ = ["Answer", "Asked", "Endpoint"]
