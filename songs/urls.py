"""The URLs of the listener's pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from songs import accounts, views
from songs.sharing import discover, feed, owner, public, reactions
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
    path("songs/<uuid:pk>/delete", views.delete, name="song-delete"),
]

sharing_urls = [  # what is public, for strangers too, and publishing
    path("discover/", discover.discover, name="discover"),
    path("discover/feed.xml", feed.NewestSongs(), name="feed"),
    path("listen/<uuid:pk>/", public.song, name="public-song"),
    path("listen/<uuid:pk>/audio", public.audio, name="public-audio"),
    path("listen/<uuid:pk>/cover", public.cover, name="public-cover"),
    path("listen/<uuid:pk>/like", reactions.like, name="public-like"),
    path("listen/<uuid:pk>/play", reactions.play, name="public-play"),
    path("listen/<uuid:pk>/report", reactions.report, name="public-report"),
    path("songs/<uuid:pk>/publish", owner.publish, name="song-publish"),
    path("songs/<uuid:pk>/withdraw", owner.withdraw, name="song-withdraw"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("songs/", views.songs, name="songs"),
    path("songs/cards", views.changed_cards, name="song-cards"),
    *song_urls,
    *account_urls,
    *sharing_urls,
]
