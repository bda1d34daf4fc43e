"""Limits, which operators change, and what was refused by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from songs.admin import html
from songs.admin.base import AsksOfEach, PeriodFilter
from songs.limits.rules import ACCOUNT, RULES, SCOPES, Rule
from songs.models import Limit, LimitCount, User

A_DAY = timedelta(days=1)


def in_words(name: str) -> str:
    """“Orders of one account, an hour”; the name alone of a rule that is gone."""
    return str(RULES[name]) if name in RULES else name


def number(most: int | None) -> str:
    return "no limit" if most is None else f"{most:,}"


class _Seen(forms.CharField):
    """What a form was opened with: no change of the object."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class LimitForm(forms.ModelForm):
    """`seen` is the number when the form was opened. A stale form does not undo another operator's
    change: it is refused once, with the number that holds now. A form without `seen` changes."""

    most = forms.IntegerField(
        label="At most",
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="Empty: the default of the settings. 0 refuses all. A new number holds with the "
        "next request; for files and news within five seconds. What was counted before counts on. "
        "Hours and days are the clock's, in UTC.",
    )
    seen = _Seen(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = _shown(self.initial.get("most"))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        now, asked = self.initial.get("most"), given.get("most")
        if "seen" in self.data and self.data["seen"] != _shown(now) and asked != now:
            self.data = {name: self.data[name] for name in self.data} | {"seen": _shown(now)}
            holds = _said(RULES[self.instance.name], now)
            raise forms.ValidationError(
                f"Another operator has changed this limit since the form was opened: it is {holds} "
                "now. Nothing was changed. Save once more to set your number all the same."
            )
        return given


@admin.register(Limit)
class LimitAdmin(AsksOfEach):
    form = LimitForm
    list_display = ["what", "at_most", "default", "refused"]
    list_display_links = ["what"]
    readonly_fields = ["what", "at_most", "default", "refused"]
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limit]:
        return super().get_queryset(request).filter(name__in=RULES)

    def get_fields(self, request: HttpRequest, obj: Limit | None = None) -> Any:
        changed = ["most", "seen"] if self.has_change_permission(request, obj) else ["at_most"]
        return ["what", *changed, "default", "refused"]

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Limit | None:
        """Locked while a form is saved: of two at once, the second sees what the first has set."""
        limit: Limit | None = super().get_object(request, *args, **kwargs)
        if limit is not None and request.method == "POST":
            limit = self.get_queryset(request).select_for_update().get(pk=limit.pk)
        return limit

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's limits, each with what it refused in a day: one query for all of them."""
        found = super().get_changelist_instance(request)
        refusals = refused_since(timezone.now() - A_DAY)
        found.result_list = list(found.result_list)
        for limit in found.result_list:
            limit.refused = refusals.get(limit.name, 0)
        return found

    @admin.display(description="limit")
    def what(self, limit: Limit) -> str:
        return in_words(limit.name)

    @admin.display(description="at most")
    def at_most(self, limit: Limit) -> str:
        return number(RULES[limit.name].default if limit.most is None else limit.most)

    @admin.display(description="default")
    def default(self, limit: Limit) -> str:
        return number(RULES[limit.name].default)

    @admin.display(description="refused in 24 hours")
    def refused(self, limit: Any) -> SafeString:
        known = getattr(limit, "refused", None)
        times = refused_since(timezone.now() - A_DAY).get(limit.name, 0) if known is None else known
        return html.refusals(limit.name, times)

    def construct_change_message(self, request: HttpRequest, form: Any, *args: Any) -> Any:
        """“Orders of one account, an hour: 30 → 10.”"""
        if not form.changed_data:
            return super().construct_change_message(request, form, *args)
        rule = RULES[form.instance.name]
        before, after = form.initial.get("most"), form.cleaned_data["most"]
        return f"{rule}: {_said(rule, before)} → {_said(rule, after)}."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Limit | None = None) -> bool:
        return False


def _shown(most: int | None) -> str:
    return "" if most is None else str(most)


def _said(rule: Rule, most: int | None) -> str:
    return f"the default ({number(rule.default)})" if most is None else number(most)


def refused_since(moment: Any) -> dict[str, int]:
    """How often each limit refused, in windows of which something was refused since."""
    recent = LimitCount.objects.filter(refused__gt=0, refused_at__gte=moment)
    return dict(recent.values_list("rule").annotate(times=Sum("refused")))


class RefusedFilter(PeriodFilter):
    column = "refused_at"


class RuleFilter(admin.SimpleListFilter):
    title = "limit"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(rule)) for name, rule in RULES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(rule=self.value()) if self.value() in RULES else queryset


@admin.register(LimitCount)
class RefusalAdmin(AsksOfEach):
    """Which listeners and networks were refused, the newest first. Kept for a week."""

    list_display = ["when", "what", "subject_link", "counted", "refused"]
    list_display_links = ["when"]
    list_filter = [RuleFilter, RefusedFilter]
    fields = ("when", "what", "subject_link", "counted", "refused", "ends_at")
    readonly_fields = fields
    ordering = ["-refused_at"]
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[LimitCount]:
        return super().get_queryset(request).filter(refused__gt=0)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's refusals, each with its account: one query for all of them."""
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list)
        name_subjects(found.result_list, request)
        return found

    @admin.display(description="last refused")
    def when(self, row: LimitCount) -> SafeString:
        return html.ago(row.refused_at)

    @admin.display(description="limit")
    def what(self, row: LimitCount) -> str:
        return in_words(row.rule)

    @admin.display(description="listener or network")
    def subject_link(self, row: Any) -> SafeString | str:
        return getattr(row, "named", "") or row.subject

    @admin.display(description="counted")
    def counted(self, row: LimitCount) -> str:
        """At the last refusal; of rows from before this was kept, what was counted last."""
        if row.refused_most is None:
            return f"{row.count:,} of {number(row.most)}"
        if not row.refused_most:
            return "paused"
        return f"{row.refused_count:,} of {row.refused_most:,}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: LimitCount | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LimitCount | None = None) -> bool:
        return False


def name_subjects(rows: list[Any], request: HttpRequest) -> None:
    """Set `named` of each row: the account's name, the network, or “the whole site”."""
    of_accounts = [row for row in rows if row.rule.endswith(f"-{ACCOUNT}")]
    accounts = User.objects.in_bulk({int(row.subject) for row in of_accounts})
    for row in rows:
        account = accounts.get(int(row.subject)) if row in of_accounts else None
        row.named = html.listener(account, request.user) if account else row.subject
        if row.subject == "*":
            row.named = SCOPES["all"]
