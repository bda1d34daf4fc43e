"""What tests of the panel press, read and look up."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from jobs.models import Run

FN = "panel-function"  # registered by the fixture `panel_function`


def page_of(run: Run) -> str:
    return reverse("admin:jobs_run_change", args=[run.pk])


def shown(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return response.content.decode()


def said(response: Any) -> str:
    """The messages that the next page shows."""
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def history(pk: Any) -> list[str]:
    """Who did what to an object, the oldest first."""
    entries = LogEntry.objects.filter(object_id=str(pk)).order_by("id")
    return [f"{entry.user.get_username()}: {entry.get_change_message()}" for entry in entries]
