"""Credit balances: listeners by balance, the totals of a span, and the check of the ledger."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from jobs.api import excerpt
from songs import ledger_check, ledger_totals, permissions, search
from songs.admin import html
from songs.admin.base import AsksOfEach, Searched
from songs.models import CreditBalance, CreditEntry, Song, User

MAX_SONGS = 1_000  # counted for one listener
SPAN = "24h"

# For each account of a page: songs in the making, songs made (up to a limit), the last entry.
FACTS = """
SELECT account.id,
       (SELECT count(*) FROM songs_song
         WHERE owner_id = account.id AND status IN ('queued', 'processing')),
       (SELECT count(*) FROM (SELECT FROM songs_song WHERE owner_id = account.id
                                 AND status = 'processed' LIMIT %s) AS made),
       (SELECT max(id) FROM songs_creditentry WHERE user_id = account.id)
  FROM unnest(%s::bigint[]) AS account(id)
"""


class BalanceFilter(admin.SimpleListFilter):
    title = "balance"
    parameter_name = "balance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("some", "Has credits"), ("none", "Has none"), ("held", "Holds some for songs")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() == "held":
            return queryset.filter(
                Exists(Song.objects.in_the_making().filter(owner=OuterRef("pk")))
            )
        if self.value() == "some":
            return queryset.filter(credits__gt=0)
        return queryset.filter(credits=0) if self.value() == "none" else queryset


class OrderFilter(admin.SimpleListFilter):
    title = "order"
    parameter_name = "order"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("least", "Smallest balance first")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset  # BalanceChangeList orders them


class BalanceChangeList(ChangeList):
    """The page's accounts, each with its facts: two queries for all of them."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        is_reversed = request.GET.get(OrderFilter.parameter_name) == "least"
        return ["credits", "pk"] if is_reversed else ["-credits", "-pk"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        facts = facts_of([account.pk for account in self.result_list])
        last = CreditEntry.objects.in_bulk([entry for _, _, entry in facts.values() if entry])
        allowed = permissions.those_allowed(permissions.GRANT, request.user, list(facts))
        for account in self.result_list:
            account.held, account.made, entry = facts[account.pk]
            account.last = last.get(entry) if entry else None
            account.viewer, account.may_grant = request.user, account.pk in allowed


def facts_of(accounts: list[int]) -> dict[int, tuple[int, int, int | None]]:
    """For each account: songs in the making, songs made, and the id of its last entry."""
    with connection.cursor() as cursor:
        cursor.execute(FACTS, [MAX_SONGS + 1, accounts])
        return {account: tuple(facts) for account, *facts in cursor.fetchall()}


@admin.register(CreditBalance)
class BalanceAdmin(Searched, AsksOfEach):
    """For accounts that may see accounts and the ledger. Nothing is changed here but by links."""

    list_display = ["listener", "balance", "held", "last_entry", "songs_made", "acts"]
    list_display_links = None
    list_filter = [BalanceFilter, OrderFilter]
    sortable_by = ()
    actions = None
    needs: ClassVar = {
        page: [permissions.SEE_LEDGER, permissions.VIEW]
        for page in ("changelist", "change", "check")
    }
    search_fields = ["username"]
    search_help_text = (
        "The beginning of a name, an e-mail address (with “@”) or its beginning, or an account's "
        "number; all accounts are searched."
    )

    def find(self, queryset: QuerySet[User], term: str) -> QuerySet[User]:
        return queryset.filter(search.listeners(term))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BalanceChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        asked = request.GET.copy()
        name = asked.pop("span", [SPAN])[-1]
        request.GET = asked  # type: ignore[assignment]  # the rest is the list's
        request.META["QUERY_STRING"] = asked.urlencode()
        context = {"title": "Credit balances", **overview(name)}
        return super().changelist_view(request, context | (extra_context or {}))

    # --- columns ---

    @admin.display(description="listener")
    def listener(self, account: Any) -> SafeString:
        email = format_html('<br><span class="jobs-quiet">{}</span>', account.email)
        name = html.listener(account, account.viewer)
        return format_html("<div>{}{}</div>", name, email if account.email else "")

    @admin.display(description="balance")
    def balance(self, account: User) -> SafeString:
        return format_html('<span class="song-figure">{}</span>', f"{account.credits:,}")

    @admin.display(description="held for songs")
    def held(self, account: Any) -> SafeString | str:
        return account.held or html.NOTHING

    @admin.display(description="last entry")
    def last_entry(self, account: Any) -> SafeString | str:
        entry = account.last
        if entry is None:
            return html.NOTHING
        words = entry.why or entry.get_kind_display()
        return format_html(
            '<div>{} {}<br><span class="jobs-quiet jobs-clamp"><bdi>{}</bdi></span></div>',
            html.signed(entry.amount),
            html.ago(entry.at),
            words,
        )

    @admin.display(description="songs made")
    def songs_made(self, account: Any) -> SafeString | str:
        made = account.made
        number = f"{MAX_SONGS:,}+" if made > MAX_SONGS else f"{made:,}"
        if not made or not permissions.may_see_songs(account.viewer):
            return number
        url = reverse("admin:songs_song_changelist")
        return format_html('<a href="{}?owner__id__exact={}">{}</a>', url, account.pk, number)

    @admin.display(description="what can be done")
    def acts(self, account: Any) -> SafeString | str:
        links = []
        if account.viewer.has_perm(permissions.SEE_LEDGER):
            url = reverse("admin:songs_creditentry_changelist")
            links.append(format_html('<a href="{}?user__id__exact={}">Ledger</a>', url, account.pk))
        if account.may_grant:
            url = reverse("admin:songs_user_grant_credits", args=[account.pk])
            links.append(format_html('<a href="{}">Grant or take…</a>', url))
        return format_html("<div>{}</div>", SafeString(" · ".join(links)))

    # --- the check ---

    def get_urls(self) -> list[URLPattern]:
        check = self.admin_site.admin_view(require_POST(self.check_now))
        name = "songs_creditbalance_check"
        return [path("check/", check, name=name), *super().get_urls()]

    def check_now(self, request: HttpRequest) -> HttpResponse:
        """Look at the whole ledger, at most once a minute."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = ledger_check.check_now()
        level = messages.SUCCESS if found.is_right else messages.ERROR
        self.message_user(request, ledger_check.in_words(found), level)
        return HttpResponseRedirect(reverse("admin:songs_creditbalance_changelist"))

    # --- permissions ---

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user = request.user
        return permissions.may_see_accounts(user) and user.has_perm(permissions.SEE_LEDGER)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kw: Any) -> Any:
        """An account has one page, the listener's."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404(f"There is no account {object_id}.")
        return HttpResponseRedirect(reverse("admin:songs_user_change", args=[object_id]))


def overview(name: str) -> dict[str, Any]:
    """The totals of a span by its name (“24h”), and the last check."""
    chosen = name if name in ledger_totals.SPANS else SPAN
    span, words = ledger_totals.SPANS[chosen]
    found = ledger_check.last_check()
    return {
        "span": chosen,
        "span_words": words,
        "span_problem": "" if chosen == name else f"There is no span “{excerpt(name, 20)}”.",
        "spans": [(key, said) for key, (_, said) in ledger_totals.SPANS.items()],
        "totals": ledger_totals.totals(span),
        "check": found,
        "check_words": ledger_check.in_words(found) if found else "",
    }
