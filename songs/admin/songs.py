"""Songs: the list, and a song's page, which plays it and says what can be done."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from songs import permissions, search
from songs.admin import html, many_refunds, song_actions
from songs.admin.base import AsksOfEach, PeriodFilter, Searched
from songs.admin.song_rows import Acts, SongRow, rows
from songs.deletion import delete_song
from songs.forms import LineField
from songs.models import CreditEntry, EntryKind, Song
from songs.storage import send_file

STATE = ("owner_link", "status", "reason")
WORDS = ("full_described_song", "prompt", "lyrics", "described_lyrics")
WISHES = (*WORDS, "audio_duration", "guidance_scale", "instrumental", "seed")
RESULT = ("s3_key", "thumbnail_s3_key", "categories")
TIMES = ("created", "finished", "deleted", "id")
NEWEST_CHARGES = 1_000


class MadeFilter(PeriodFilter):
    """By the time in the id (UUIDv7): the primary key serves it."""

    title = "ordered"

    def since(self, queryset: QuerySet[Song], since: datetime) -> QuerySet[Song]:
        return queryset.filter(pk__gte=uuid.UUID(int=int(since.timestamp() * 1000) << 80))


class ChargeFilter(admin.SimpleListFilter):
    """By the newest 1,000 entries of a kind."""

    title = f"charge (newest {NEWEST_CHARGES:,})"
    parameter_name = "charge"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(EntryKind.CHARGE, "Charged"), (EntryKind.WAIVED, "Waived"), ("refund", "Refunded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Song]) -> QuerySet[Song]:
        if self.value() not in EntryKind.values:
            return queryset
        entries = CreditEntry.objects.filter(kind=self.value(), song__isnull=False)
        return queryset.filter(pk__in=entries.order_by("-id").values("song")[:NEWEST_CHARGES])


class SongChangeList(ChangeList):
    """The page's songs, each with its charge and its run: two queries for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for row in rows(self.result_list, request.user):
            row.song.row = row  # type: ignore[attr-defined]


@admin.register(Song)
class SongAdmin(Searched, AsksOfEach):
    list_display = ["cover", "name", "listener", "state", "charge", "run", "created"]
    list_display_links = ["name"]
    list_filter = ["status", MadeFilter, ChargeFilter]
    ordering = ["-id"]
    sortable_by = ()
    actions = ["refund_listeners"]
    needs: ClassVar = {
        "again": [permissions.MAKE_AGAIN],
        "refund": [permissions.GRANT],
        "audio": [permissions.LISTEN],
        "cover": permissions.SEE_SONGS[:1],
    }
    search_fields = ["id"]
    search_help_text = (
        "Words of a title, the beginning of a listener's name, an e-mail address, or the id of a "
        "song or of its event; all songs are searched, and the first 5,000 that fit are listed."
    )
    fieldsets = [
        (None, {"fields": ("title", *STATE)}),
        ("Wishes", {"fields": WISHES}),
        ("Result", {"fields": RESULT}),
        ("Times", {"fields": TIMES}),
    ]
    readonly_fields = [*STATE, *WISHES, *RESULT, *TIMES]  # the run writes all but the title

    def get_queryset(self, request: HttpRequest) -> QuerySet[Song]:
        return super().get_queryset(request).select_related("owner")

    # --- the list ---

    def find(self, queryset: QuerySet[Song], term: str) -> QuerySet[Song]:
        return search.songs(queryset, term)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SongChangeList

    @admin.display(description="cover")
    def cover(self, song: Song) -> SafeString:
        if not song.thumbnail_s3_key:
            return SafeString('<span class="song-cover" aria-hidden="true"></span>')
        return format_html(
            '<img class="song-cover" src="{}" alt="" width="40" height="40" loading="lazy">',
            reverse("admin:songs_song_cover", args=[song.pk]),
        )

    @admin.display(description="title")
    def name(self, song: Song) -> SafeString:
        return format_html("<bdi>{}</bdi>", song)

    @admin.display(description="listener")
    def listener(self, song: Any) -> SafeString:
        return song.row.listener

    @admin.display(description="status")
    def state(self, song: Any) -> SafeString:
        words = '<div>{} <span class="jobs-reason">{}</span></div>'
        return format_html(words, html.badge(song), song.row.note)

    @admin.display(description="charge")
    def charge(self, song: Any) -> str:
        return song.row.charge

    @admin.display(description="run")
    def run(self, song: Any) -> SafeString | str:
        return song.row.run

    @admin.display(description="ordered")
    def created(self, song: Song) -> SafeString:
        return html.ago(song.created_at)

    @admin.display(description="finished")
    def finished(self, song: Song) -> SafeString:
        return html.ago(song.finished_at)

    @admin.display(description="deleted by the listener")
    def deleted(self, song: Song) -> SafeString | str:
        return html.ago(song.deleted_at) if song.deleted_at else "No"

    @admin.display(description="listener")
    def owner_link(self, song: Any) -> SafeString:
        return song.row.listener

    # --- a song's page ---

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        song = super().get_object(request, *args, **kwargs)
        if song is not None:
            [song.row] = rows([song], request.user)
        return song

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        song: Any = kwargs.get("obj")
        if song is not None:
            row: SongRow = song.row
            context |= {"title": str(song), "subtitle": None, "row": row, "song": song}
            context["acts"] = Acts.of(request.user, song.owner)
            context["may_listen"] = request.user.has_perm(permissions.LISTEN, song)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        again, refund = song_actions.again_view(self), song_actions.refund_view(self)
        return [
            path("<uuid:pk>/again/", view(again), name="songs_song_again"),
            path("<uuid:pk>/refund/", view(refund), name="songs_song_refund"),
            path("<uuid:pk>/audio/", view(require_safe(self.audio)), name="songs_song_audio"),
            path("<uuid:pk>/cover/", view(require_safe(self.cover_file)), name="songs_song_cover"),
            *super().get_urls(),
        ]

    def audio(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        song = song_actions.asked(request, pk, permissions.LISTEN)
        return _file(request, song, song.s3_key)

    def cover_file(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        song = song_actions.asked(request, pk, *permissions.SEE_SONGS)
        return _file(request, song, song.thumbnail_s3_key)

    @admin.action(description="Give 1 credit to each of their listeners", permissions=["refund"])
    def refund_listeners(self, request: HttpRequest, songs: QuerySet[Song]) -> HttpResponse | None:
        return many_refunds.action(self, request, songs)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(permissions.GRANT)

    # --- what a form changes ---

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kind = {"form_class": LineField} if db_field.name == "title" else {}
        return super().formfield_for_dbfield(db_field, request, **kind, **kwargs)

    def save_model(self, request: HttpRequest, obj: Song, form: Any, change: bool) -> None:
        """Save only the form's fields: a run may write the other columns in the meantime."""
        obj.save(update_fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Song) -> None:
        if not delete_song(obj):
            raise PermissionDenied("This song is being made again.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        song_actions.delete_all(queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Songs that are being made are named as the reason why nothing is deleted."""
        shown, counts, lacking, protected = super().get_deleted_objects(objs, request)
        making = [song for song in objs if song.is_in_the_making]
        if making and self.may(request, "delete", making[0]):
            lacking = lacking - {self.opts.verbose_name}
            protected = [f"“{song}” is being made. Delete it afterwards." for song in making]
        return shown, counts, lacking, protected

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Song | None = None) -> bool:
        making = obj is not None and obj.is_in_the_making
        return not making and super().has_delete_permission(request, obj)


def _file(request: HttpRequest, song: Song, key: str) -> HttpResponseBase:
    if not key:
        raise Http404("There is no such file.")
    return send_file(request, key, title=str(song), download=False)
