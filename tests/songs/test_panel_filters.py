"""Lists of the panel at an address with a filter that they do not know, as of an old bookmark."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG
from django.test import Client
from django.urls import reverse

from songs.models import SongStatus, User
from tests.support.cast import a_song


def test_no_list_of_the_product_drops_its_filters_without_a_word(admin_client: Client) -> None:
    admin_client.get("/admin/")  # imports the pages of all apps
    models = [model for model in admin.site._registry if model._meta.app_label in ("songs", "auth")]
    assert len(models) > 6
    for model in models:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = admin_client.get(address, {"<x>": "1"}, follow=True)
        assert answer.redirect_chain == [(address, 302)]
        assert "does not know the filter “&lt;x&gt;=1”: it is left out." in answer.content.decode()


def test_no_list_of_the_panel_answers_with_all_rows_instead(admin_client: Client) -> None:
    admin_client.get("/admin/")
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = admin_client.get(address, {"<x>": "1"}, follow=True)
        assert not [to for to, _ in answer.redirect_chain if f"{ERROR_FLAG}=1" in to]


def test_a_list_of_songs_keeps_the_filters_that_it_knows(olgas: Client, alice: User) -> None:
    failed = a_song(alice, "Failed", status=SongStatus.FAILED)
    ready = a_song(alice, "Ready", status=SongStatus.PROCESSED)
    address = "/admin/songs/song/"

    answer = olgas.get(address, {"status__exact": "failed", "mood": "sad"}, follow=True)

    assert answer.redirect_chain == [(f"{address}?status__exact=failed", 302)]
    page = answer.content.decode()
    assert "This list does not know the filter “mood=sad”: it is left out." in page
    assert f"/{failed.pk}/" in page
    assert f"/{ready.pk}/" not in page
