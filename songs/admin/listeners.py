"""Accounts: the list, and an account's page in two tabs, “Listener” and “Access”.

“Listener” answers a complaint: balance, ledger, songs, and what can be done about each. “Access” is
the form with name, address and rights.
"""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from songs import credits, permissions
from songs.accounts.second_factor import FACTORS
from songs.admin import html, ledger_rows, song_rows
from songs.admin.accounts import AccountAdmin
from songs.admin.grants import grant_view
from songs.admin.song_rows import Acts, runs_of
from songs.models import Song, User

NEWEST_ENTRIES = 20
NEWEST_SONGS = 50


@admin.register(User)
class UserAdmin(AccountAdmin):
    list_display = ["username", "email", "credits", "is_active", "is_staff", "joined"]
    needs: ClassVar = {"grant_credits": [permissions.GRANT]}
    readonly_fields = ["confirmed", "second_factor", "last_seen", "joined"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email", "confirmed", "second_factor"]}),
        *[entry for entry in DjangoUserAdmin.fieldsets or [] if entry[0] == "Permissions"],
        ("Times", {"fields": ["last_seen", "joined"]}),
    ]

    @admin.display(description="e-mail confirmed", boolean=True)
    def confirmed(self, user: User) -> bool:
        return EmailAddress.objects.filter(user=user, verified=True).exists()

    @admin.display(description="second factor", boolean=True)
    def second_factor(self, user: User) -> bool:
        return is_mfa_enabled(user, FACTORS)

    @admin.display(description="joined")
    def joined(self, user: User) -> SafeString:
        return html.ago(user.date_joined)

    @admin.display(description="last sign-in")
    def last_seen(self, user: User) -> SafeString:
        return html.ago(user.last_login)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        user = kwargs.get("obj")
        if user is not None:
            is_access = request.GET.get("tab") == "access" or request.method == "POST"
            context |= {"title": str(user), "subtitle": None, "tab": "access"}
            context["acts"] = Acts.of(request.user, user)
            if not is_access:
                context |= {"tab": "listener", **listener_tab(request, user)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        grant = self.admin_site.admin_view(grant_view(self))
        name = "songs_user_grant_credits"
        return [path("<path:object_id>/grant-credits/", grant, name=name), *super().get_urls()]


def listener_tab(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the tab “Listener” shows."""
    viewer: Any = request.user
    entries = list(user.credit_entries.select_related("song", "by")[:NEWEST_ENTRIES])
    songs = newest_songs(user) if permissions.may_see_songs(viewer) else None
    runs = runs_of([*(songs or []), *(entry.song for entry in entries if entry.song)])
    making = user.songs.in_the_making().count()
    context: dict[str, Any] = {
        "balance": credits.Balance(user.credits, making),
        "entries": ledger_rows.rows(entries, viewer, runs),
        "may_see_ledger": viewer.has_perm(permissions.SEE_LEDGER),
    }
    if songs is not None:
        context["songs"] = song_rows.rows(songs[:NEWEST_SONGS], viewer, runs)
        context["more_songs"] = len(songs) > NEWEST_SONGS
    return context


def newest_songs(user: User) -> list[Song]:
    """As many songs as the page shows, and one more if there are more."""
    songs = list(user.songs.order_by("-created_at", "-id")[: NEWEST_SONGS + 1])
    for song in songs:
        song.owner = user
    return songs
