"""The URLs of the listener's pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from songs import accounts, leaving_pages, views
from songs.signin import SignInForm

sign_in = LoginView.as_view(
    template_name="accounts/login.html",
    authentication_form=SignInForm,
    redirect_authenticated_user=True,
)

account_urls = [  # /accounts/
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/signup/", accounts.sign_up, name="signup"),
    path("accounts/credits/", accounts.ledger, name="ledger"),
]

leaving_urls = [  # /accounts/download/, /accounts/close/
    path("accounts/download/", leaving_pages.download, name="download"),
    path("accounts/download/state", leaving_pages.download_state, name="download-state"),
    path("accounts/download/file", leaving_pages.download_file, name="download-file"),
    path("accounts/close/", leaving_pages.close, name="close-account"),
]

song_urls = [  # /songs/<uuid>
    path("songs/<uuid:pk>/", views.song, name="song"),
    path("songs/<uuid:pk>.json", views.song_json, name="song-json"),
    path("songs/<uuid:pk>/card", views.song_card, name="song-card"),
    path("songs/<uuid:pk>/audio", views.song_audio, name="song-audio"),
    path("songs/<uuid:pk>/cover", views.song_cover, name="song-cover"),
    path("songs/<uuid:pk>/rename", views.rename, name="song-rename"),
    path("songs/<uuid:pk>/again", views.again, name="song-again"),
    path("songs/<uuid:pk>/delete", views.delete, name="song-delete"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("songs/", views.songs, name="songs"),
    path("songs/cards", views.changed_cards, name="song-cards"),
    *song_urls,
    *account_urls,
    *leaving_urls,
]
