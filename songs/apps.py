from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_delete
from django.views.generic import View


class SongsConfig(AppConfig):
    name = "songs"

    def ready(self) -> None:
        from songs import closing
        from songs.limits import rows
        from songs.models import Publication, User
        from songs.sharing import likes, publishing

        # Django's own views take a PUT for their form, and a DELETE removes a row past the form and
        # what it does besides, such as a mail about a passkey. No page sends them.
        View.http_method_names = ["get", "head", "post", "options"]
        pre_delete.connect(closing.refuse_deletion, sender=User)
        pre_delete.connect(likes.take_back_before_deletion, sender=User)
        pre_delete.connect(publishing.lock_before_deletion, sender=Publication)
        post_migrate.connect(rows.make_rows, sender=self)
