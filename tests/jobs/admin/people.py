"""Who works in the admin: an operator may do everything, a viewer only look."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client


def staff(*codenames: str, name: str = "viewer") -> Client:
    """A signed-in member of staff who may view the engine's rows, and what else is named."""
    user = get_user_model().objects.create_user(name, password="pw", is_staff=True)
    engine = Permission.objects.filter(content_type__app_label="jobs")
    user.user_permissions.set(
        engine.filter(codename__startswith="view_") | engine.filter(codename__in=codenames)
    )
    client = Client()
    client.force_login(user)
    return client
