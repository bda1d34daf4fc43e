"""The admin of the product: songs, listeners and their ledgers, granting credits."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from jobs.api import FORM_TOKEN, StaleForm, once
from songs import credits, permissions
from songs.deletion import delete_song
from songs.forms import GrantForm
from songs.models import IN_THE_MAKING, Category, CreditEntry, Song, User
from songs.rights import AccountAdmin, AsksOfEach, GroupAdmin
from songs.signin import AdminSignInForm

admin.site.login_form = AdminSignInForm
NEWEST_ENTRIES = 20

STATE = ("owner", "status", "reason", "events")
WISHES = ("full_described_song", "audio_duration", "guidance_scale", "instrumental", "seed")
RESULT = ("s3_key", "thumbnail_s3_key", "categories", "charge")
TIMES = ("created_at", "finished_at", "id")


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)


@admin.register(User)
class UserAdmin(AccountAdmin):
    list_display = ["username", "email", "credits", "is_active", "is_staff", "date_joined"]
    ordering = ["-date_joined"]
    readonly_fields = ["credits", "ledger", "songs_made", "last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        ("Credits", {"fields": ["credits", "ledger", "songs_made"]}),
        *[
            entry
            for entry in DjangoUserAdmin.fieldsets or []
            if entry[0] not in (None, "Personal info")
        ],
    ]

    # --- what is shown ---

    @admin.display(description="Ledger")
    def ledger(self, user: User) -> SafeString:
        """The newest entries, and a link to all of them."""
        entries = user.credit_entries.select_related("song", "by")[:NEWEST_ENTRIES]
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    f"{e.at:%Y-%m-%d %H:%M}",
                    f"{e.amount:+d}",
                    e.get_kind_display(),
                    e.why,
                    e.by or "",
                )
                for e in entries
            ),
        )
        return format_html(
            "<table><thead><tr><th>At (UTC)</th><th>Amount</th><th>Kind</th><th>Reason</th>"
            '<th>By</th></tr></thead><tbody>{}</tbody></table><p><a href="{}?user__id__exact={}">'
            "The whole ledger</a></p>",
            rows,
            reverse("admin:songs_creditentry_changelist"),
            user.pk,
        )

    @admin.display(description="Songs")
    def songs_made(self, user: User) -> SafeString:
        return format_html(
            '<a href="{}?owner__id__exact={}">{} songs</a>',
            reverse("admin:songs_song_changelist"),
            user.pk,
            user.songs.count(),
        )

    # --- granting credits ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        user = kwargs.get("obj")
        context["may_grant"] = user and request.user.has_perm(permissions.GRANT, user)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        grant = require_http_methods(["GET", "POST"])(self.grant_credits)
        page = path(
            "<path:object_id>/grant-credits/",
            self.admin_site.admin_view(grant),
            name="songs_user_grant_credits",
        )
        return [page, *super().get_urls()]

    def grant_credits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET shows the form; POST writes the ledger, the history and a message."""
        if not request.user.has_perm(permissions.GRANT):
            raise PermissionDenied
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404(f"There is no user {object_id}.")
        if not request.user.has_perm(permissions.GRANT, user):
            raise PermissionDenied
        form = GrantForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self.granted(request, user, form):
            return HttpResponseRedirect(self.page_after_grant(request, user))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Grant credits to {user}",
            "opts": self.opts,
            "original": user,
            "balance": credits.balance(user),
            "form": form,
        }
        status = 422 if form.is_bound else 200
        template = "admin/songs/user/grant_credits.html"
        return TemplateResponse(request, template, context, status=status)

    def granted(self, request: HttpRequest, user: User, form: GrantForm) -> bool:
        """Grant once, however often the form is sent. A refusal becomes an error of the form."""
        amount, why = form.cleaned_data["amount"], form.cleaned_data["why"]
        by, once_more = cast(User, request.user), form.cleaned_data["once_more"]

        def act() -> int:
            if not once_more:
                credits.refuse_repeat(user, amount, why=why, by=by)
            entry = credits.grant(user, amount, why=why, by=by)
            self.log_change(request, user, f"Granted {amount:+d} credits: {why}")
            return entry.pk

        asked = {"to": user.pk, "amount": amount, "why": why, "once_more": once_more}
        token = request.POST.get(FORM_TOKEN)
        try:
            done = once(act, token=token, action="songs.grant", account=by.pk, asked=asked)
        except StaleForm as error:
            form.add_error(None, str(error))
            return False
        except credits.GrantedBefore as problem:
            form.ask_back(str(problem))
            return False
        except ValueError as problem:
            form.add_error("amount", str(problem))
            return False
        self.say_granted(request, user, amount, is_repeat=done.is_repeat)
        return True

    def say_granted(
        self, request: HttpRequest, user: User, amount: int, *, is_repeat: bool
    ) -> None:
        user.refresh_from_db(fields=["credits"])
        text = f"{amount:+d} credits for {user}: the balance is {user.credits} now."
        if is_repeat:
            text = f"This form was sent before. Nothing was granted twice. {text}"
        self.message_user(request, text, messages.INFO if is_repeat else messages.SUCCESS)

    def page_after_grant(self, request: HttpRequest, user: User) -> str:
        if self.has_view_permission(request, user):
            return reverse("admin:songs_user_change", args=[user.pk])
        return reverse("admin:index")


@admin.register(Song)
class SongAdmin(AsksOfEach):
    list_display = ["title", "owner", "status", "events", "created_at"]
    list_filter = ["status", "instrumental", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["id", "full_described_song", "owner__username"]
    search_help_text = "A song's id, words of its description, or a listener's name"
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ("title", *STATE)}),
        ("Wishes", {"fields": WISHES}),
        ("Result", {"fields": RESULT}),
        ("Times", {"fields": TIMES}),
    ]
    readonly_fields = [*STATE, *WISHES, *RESULT, *TIMES]  # the run writes all but the title

    @admin.display(description="Event")
    def events(self, song: Song) -> SafeString | str:
        """A link to the song's event and its runs."""
        if song.event_id is None:
            return "–"
        address = reverse("admin:jobs_event_change", args=[song.event_id])
        return format_html('<a href="{}">event and runs</a>', address)

    @admin.display(description="Charge")
    def charge(self, song: Song) -> str:
        entries = [str(entry) for entry in song.credit_entries.all()]
        return ", ".join(entries) or "nothing so far"

    def save_model(self, request: HttpRequest, obj: Song, form: Any, change: bool) -> None:
        """Save only the form's fields: a run may write the other columns in the meantime."""
        obj.save(update_fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Song) -> None:
        if not delete_song(obj):
            raise PermissionDenied("This song is being made again.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        for song in queryset.exclude(status__in=IN_THE_MAKING):
            with contextlib.suppress(Song.DoesNotExist):
                delete_song(song)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Song | None = None) -> bool:
        making = obj is not None and obj.is_in_the_making
        return not making and super().has_delete_permission(request, obj)


@admin.register(Category)
class CategoryAdmin(AsksOfEach):
    list_display = ["name", "folded"]
    search_fields = ["name", "folded"]
    readonly_fields = ["folded"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CreditEntry)
class CreditEntryAdmin(AsksOfEach):
    """Read-only: only `credits.py` writes the ledger."""

    list_display = ["at", "user", "amount", "kind", "why", "song", "by"]
    list_filter = ["kind", "at"]
    list_select_related = ["user", "song", "by"]
    search_fields = ["user__username", "why", "song__id"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CreditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CreditEntry | None = None) -> bool:
        return False
