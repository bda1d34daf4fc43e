"""The ledger: every entry, read-only. Only `credits.py` writes it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from songs import search
from songs.admin import html
from songs.admin.base import AsksOfEach, PeriodFilter, Searched
from songs.admin.ledger_rows import rows
from songs.models import CHARGES, CreditEntry

NEWEST_REASONS = 5_000  # a part of a text is in no index


class LedgerChangeList(ChangeList):
    """The page's entries, each with the run of its song: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for row in rows(self.result_list, request.user):
            row.entry.row = row  # type: ignore[attr-defined]


@admin.register(CreditEntry)
class CreditEntryAdmin(Searched, AsksOfEach):
    list_display = ["when", "listener", "amount_signed", "balance_after", "kind_badge"]
    list_display += ["why", "song_link", "run", "by"]
    list_display_links = ["when"]
    list_filter = ["kind", PeriodFilter]
    list_select_related = ["user", "song", "by"]
    sortable_by = ()
    search_fields = ["why"]
    search_help_text = (
        "The beginning of a listener's name, an e-mail address, or the id of a song, among all "
        f"entries; or a part of the reason, among the newest {NEWEST_REASONS:,}."
    )
    readonly_fields = ["when"]
    fields = ["user", "amount", "balance", "kind", "why", "song", "by", "when"]

    def find(self, queryset: QuerySet[CreditEntry], term: str) -> QuerySet[CreditEntry]:
        if identifier := search.as_uuid(term):
            of_wish = Q(wish=identifier, kind__in=CHARGES)  # of a song that was deleted
            return queryset.filter(Q(song=identifier) | of_wish)
        newest = CreditEntry.objects.aggregate(newest=Max("id"))["newest"] or 0
        in_reason = Q(why__icontains=term, id__gt=newest - NEWEST_REASONS)
        found = CreditEntry.objects.order_by().values("pk")
        by_name = found.filter(user__in=search.accounts(term))[: search.MAX_SONGS]
        return queryset.filter(pk__in=by_name.union(found.filter(in_reason)))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LedgerChangeList

    @admin.display(description="when")
    def when(self, entry: CreditEntry) -> SafeString:
        return html.ago(entry.at)

    @admin.display(description="listener")
    def listener(self, entry: Any) -> SafeString:
        return html.listener(entry.user, entry.row.viewer)

    @admin.display(description="amount")
    def amount_signed(self, entry: Any) -> SafeString:
        return entry.row.amount

    @admin.display(description="balance")
    def balance_after(self, entry: Any) -> str:
        return entry.row.balance

    @admin.display(description="kind")
    def kind_badge(self, entry: Any) -> SafeString:
        return entry.row.kind

    @admin.display(description="song")
    def song_link(self, entry: Any) -> SafeString | str:
        return entry.row.song

    @admin.display(description="run")
    def run(self, entry: Any) -> SafeString | str:
        return entry.row.run

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CreditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CreditEntry | None = None) -> bool:
        return False
