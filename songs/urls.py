"""The URLs of the listener's pages."""

from __future__ import annotations

from django.urls import include, path
from django.views.decorators.http import require_safe

from songs import drafts, leaving_pages, song_acts, views
from songs.accounts import views as accounts
from songs.sharing import discover, feed, owner, public, reactions, sitemaps
from songs.unchanged import unchanged_is_304

account_urls = [  # /accounts/
    path("accounts/", accounts.account, name="account"),
    path("accounts/credits/", accounts.ledger, name="ledger"),
    path("accounts/login/", accounts.SignIn.as_view(), name="account_login"),
    path("accounts/signup/", accounts.SignUp.as_view(), name="account_signup"),
    path(
        "accounts/confirm-email/<key>/",
        accounts.ConfirmAddress.as_view(),
        name="account_confirm_email",
    ),
    path("accounts/email/", accounts.Address.as_view(), name="account_email"),
    path(
        "accounts/password/reset/", accounts.LostPassword.as_view(), name="account_reset_password"
    ),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("accounts/", include("allauth.account.urls")),
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
    path("songs/<uuid:pk>/waveform", views.song_waveform, name="song-waveform"),
    path("songs/<uuid:pk>/audio", views.song_audio, name="song-audio"),
    path("songs/<uuid:pk>/cover", views.song_cover, name="song-cover"),
    path("songs/<uuid:pk>/rename", views.rename, name="song-rename"),
    path("songs/<uuid:pk>/again", views.again, name="song-again"),
    path("songs/<uuid:pk>/delete", song_acts.delete, name="song-delete"),
    path("songs/<uuid:pk>/undo", song_acts.undo, name="song-undo"),
    path("songs/<uuid:pk>/cancel", song_acts.cancel, name="song-cancel"),
]

robots_urls = [  # /sitemap.xml, /robots.txt
    path("robots.txt", sitemaps.robots, name="robots"),
    path("sitemap.xml", sitemaps.index, name="sitemap-index"),
    path("sitemap-<section>.xml", sitemaps.section, name="sitemap-section"),
]

sharing_urls = [  # what is public, for strangers too, and publishing
    path("discover/", discover.discover, name="discover"),
    path("discover/feed.xml", require_safe(unchanged_is_304(feed.NewestSongs())), name="feed"),
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
    path("songs/draft/clear", drafts.clear, name="draft-clear"),
    *song_urls,
    *account_urls,
    *leaving_urls,
    *sharing_urls,
    *robots_urls,
]
