from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_delete


class SongsConfig(AppConfig):
    name = "songs"

    def ready(self) -> None:
        from songs import closing
        from songs.limits import rows
        from songs.models import Publication, User
        from songs.sharing import likes, publishing

        pre_delete.connect(closing.refuse_deletion, sender=User)
        pre_delete.connect(likes.take_back_before_deletion, sender=User)
        pre_delete.connect(publishing.lock_before_deletion, sender=Publication)
        post_migrate.connect(rows.make_rows, sender=self)
