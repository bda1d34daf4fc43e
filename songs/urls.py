"""The URLs of the listener's pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from songs import accounts, drafts, song_acts, views
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

song_urls = [  # /songs/<uuid>
    path("songs/<uuid:pk>/", views.song, name="song"),
    path("songs/<uuid:pk>.json", views.song_json, name="song-json"),
    path("songs/<uuid:pk>/card", views.song_card, name="song-card"),
    path("songs/<uuid:pk>/audio", views.song_audio, name="song-audio"),
    path("songs/<uuid:pk>/cover", views.song_cover, name="song-cover"),
    path("songs/<uuid:pk>/rename", views.rename, name="song-rename"),
    path("songs/<uuid:pk>/again", views.again, name="song-again"),
    path("songs/<uuid:pk>/delete", song_acts.delete, name="song-delete"),
    path("songs/<uuid:pk>/undo", song_acts.undo, name="song-undo"),
    path("songs/<uuid:pk>/cancel", song_acts.cancel, name="song-cancel"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("songs/", views.songs, name="songs"),
    path("songs/cards", views.changed_cards, name="song-cards"),
    path("songs/draft/clear", drafts.clear, name="draft-clear"),
    *song_urls,
    *account_urls,
]
