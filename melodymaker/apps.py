from __future__ import annotations

from django.apps import AppConfig


class MelodyMakerConfig(AppConfig):
    name = "melodymaker"

    def ready(self) -> None:
        from . import checks  # noqa: F401
