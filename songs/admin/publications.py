"""Published songs: what is reported, what was taken down, and what can be done about each.

The list begins with the reported ones, or with the public ones if none is. A song's page plays it,
shows its reports, and takes it down or puts it back. Each act is a form that states what will
happen, and a line of the audit log.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from songs import permissions, search
from songs.admin import html, publication_actions
from songs.admin.base import AsksOfEach, Searched
from songs.models import Publication, Report, Song
from songs.sharing.counts import counts_of
from songs.storage import send_file

MAX_REPORTS = 50  # of a song's page
REPORTED, TAKEN_DOWN, PUBLIC, ALL = "reported", "down", "public", "all"
WORDS = {
    REPORTED: "Reported",
    TAKEN_DOWN: "Taken down",
    PUBLIC: "Public",
    ALL: "All, the withdrawn too",
}


class StateFilter(admin.SimpleListFilter):
    """The reported ones, or the public ones if none is, unless a state is chosen. Each state has an
    index of its order.
    """

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(WORDS.items())

    @cached_property
    def chosen(self) -> str:
        if (given := self.value()) in WORDS:
            return str(given)
        return REPORTED if Publication.objects.reported().exists() else PUBLIC

    def choices(self, changelist: Any) -> Any:
        for state, words in WORDS.items():
            query = changelist.get_query_string({self.parameter_name: state})
            yield {"selected": self.chosen == state, "query_string": query, "display": words}

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        match self.chosen:
            case "reported":
                return queryset.reported().order_by("-reported_at", "pk")
            case "down":
                return queryset.filter(taken_down_at__isnull=False).order_by("-taken_down_at", "pk")
            case "public":
                queryset = queryset.filter(is_public=True, taken_down_at=None)
        return queryset.order_by("-published_at", "pk")


class PublicationChangeList(ChangeList):
    """The page's songs, each with its counts and the number of its open reports."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(queryset.query.order_by)  # the filter's

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = rows = list[Any](self.result_list)
        counts, reports = counts_of(rows), open_reports(rows)
        for row in rows:
            row.counts, row.open_reports = counts[row.pk], reports.get(row.pk, 0)
            row.listener_link = html.listener(row.song.owner, request.user)


def open_reports(rows: list[Publication]) -> dict[uuid.UUID, int]:
    found = Report.objects.filter(publication__in=rows, dealt_at=None).order_by()
    return dict(found.values_list("publication").annotate(Count("pk")))


@admin.register(Publication)
class PublicationAdmin(Searched, AsksOfEach):
    list_display = [
        "cover",
        "name",
        "listener",
        "state",
        "reports",
        "likes_now",
        "plays_now",
        "since",
    ]
    list_display_links = ["name"]
    list_filter = [StateFilter]
    sortable_by = ()
    actions = None
    search_fields = ["pk"]
    search_help_text = (
        "Words of a title, the beginning of a listener's name, an e-mail address, or the id of a "
        "song, among the songs of the chosen state."
    )
    needs: ClassVar = {
        "take_down": [permissions.TAKE_DOWN],
        "put_back": [permissions.TAKE_DOWN],
        "dismiss": [permissions.TAKE_DOWN],
        "audio": [permissions.SEE_PUBLISHED, permissions.LISTEN],
        "cover": [permissions.SEE_PUBLISHED],
    }
    fields = ("byline",)
    readonly_fields = ("byline",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Publication]:
        return super().get_queryset(request).select_related("song__owner")

    # --- the list ---

    def find(self, queryset: QuerySet[Publication], term: str) -> QuerySet[Publication]:
        return queryset.filter(pk__in=search.songs(Song.objects.all(), term).values("pk"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PublicationChangeList

    @admin.display(description="cover")
    def cover(self, row: Publication) -> SafeString:
        if not row.song.thumbnail_s3_key:
            return SafeString('<span class="song-cover" aria-hidden="true"></span>')
        return format_html(
            '<img class="song-cover" src="{}" alt="" width="40" height="40" loading="lazy">',
            reverse("admin:songs_publication_cover", args=[row.pk]),
        )

    @admin.display(description="title")
    def name(self, row: Publication) -> SafeString:
        return format_html(
            '<bdi>{}</bdi> <span class="jobs-reason">by <bdi>{}</bdi></span>', row, row.by
        )

    @admin.display(description="listener")
    def listener(self, row: Any) -> SafeString:
        link: SafeString = row.listener_link
        return link

    @admin.display(description="state")
    def state(self, row: Publication) -> SafeString:
        return badge(row)

    @admin.display(description="open reports")
    def reports(self, row: Any) -> SafeString | str:
        return format_html("<strong>{}</strong>", row.open_reports) if row.open_reports else "0"

    @admin.display(description="likes")
    def likes_now(self, row: Any) -> str:
        return f"{row.counts.likes:,}"

    @admin.display(description="plays")
    def plays_now(self, row: Any) -> str:
        return f"{row.counts.plays:,}"

    @admin.display(description="published")
    def since(self, row: Publication) -> SafeString:
        return html.ago(row.published_at)

    # --- a song's page ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Publication | None = kwargs.get("obj")
        if row is not None:
            context |= {"title": row.title, "subtitle": None} | page_context(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        acts = publication_actions
        return [
            path(
                "<uuid:pk>/take-down/",
                view(acts.take_down_view(self)),
                name="songs_publication_take_down",
            ),
            path(
                "<uuid:pk>/put-back/",
                view(acts.put_back_view(self)),
                name="songs_publication_put_back",
            ),
            path(
                "<uuid:pk>/dismiss/",
                view(acts.dismiss_view(self)),
                name="songs_publication_dismiss",
            ),
            path(
                "<uuid:pk>/audio/", view(require_safe(self.audio)), name="songs_publication_audio"
            ),
            path(
                "<uuid:pk>/cover/",
                view(require_safe(self.cover_file)),
                name="songs_publication_cover",
            ),
            *super().get_urls(),
        ]

    def audio(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        row = published(request, pk)
        if not may_be_heard(request, row):
            raise PermissionDenied
        return _file(request, row, row.song.s3_key)

    def cover_file(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        row = published(request, pk)
        return _file(request, row, row.song.thumbnail_s3_key)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def page_context(request: HttpRequest, row: Publication) -> dict[str, Any]:
    reports = row.reports.select_related("reporter").order_by("-dealt_at", "-id")
    return {
        "publication": row,
        "song": row.song,
        "counts": counts_of([row])[row.pk],
        "badge": badge(row),
        "listener": html.listener(row.song.owner, request.user),
        "song_link": html.song_link(row.song, request.user)
        if permissions.may_see_songs(request.user)
        else "",
        "reports": reports[:MAX_REPORTS],
        "open_reports": row.reports.filter(dealt_at=None).count(),
        "may_act": request.user.has_perm(permissions.TAKE_DOWN),
        "may_see_accounts": permissions.may_see_accounts(request.user),
        "may_hear": may_be_heard(request, row),
    }


def published(request: HttpRequest, pk: uuid.UUID) -> Publication:
    """The published song, if this account may see those, or PermissionDenied."""
    if not request.user.has_perm(permissions.SEE_PUBLISHED):
        raise PermissionDenied
    row = Publication.objects.select_related("song__owner").filter(pk=pk).first()
    if row is None:
        raise Http404(publication_actions.ABSENT.format(pk))
    return row


def may_be_heard(request: HttpRequest, row: Publication) -> bool:
    """What its listener has withdrawn is private again: only an account that may listen to private
    songs hears it, unless an open report asks for a judgement."""
    is_open = row.is_public or row.reported_at is not None
    return is_open or request.user.has_perm(permissions.LISTEN)


def badge(row: Publication) -> SafeString:
    if row.is_taken_down:
        return html.dot("failed", "Taken down")
    return html.dot("completed", "Public") if row.is_public else html.dot("cancelled", "Withdrawn")


def _file(request: HttpRequest, row: Publication, key: str) -> HttpResponseBase:
    if not key:
        raise Http404("There is no such file.")
    return send_file(request, key, title=row.title, download=False)
