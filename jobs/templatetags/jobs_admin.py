"""The panel's HTML and words, for templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from jobs.admin import after_run, base, charts, curl, html, navigation, outputs, words
from jobs.control import hand_over
from jobs.control.permission_names import VIEW_RUN
from jobs.models import HandOverNote
from jobs.runs.standstill import standstill

register = template.Library()
register.filter("ago", html.ago)
register.filter("moment", html.moment)
register.filter("badge", html.badge)
register.filter("block", html.block)
register.filter("output", outputs.shown)
register.filter("pretty", html.pretty)
register.filter("run_link", html.run_link)
register.filter("counted", base.counted)
register.filter("event_link", html.event_link)
register.filter("span", words.span)
register.filter("after", words.after)
register.filter("spark", charts.sparkline)
register.filter("seconds", charts.in_words)
register.filter("percent", words.percent)
register.filter("figure", words.figure)
register.filter("clock", html.clock)
register.filter("tried", html.tried)
register.filter("log_time", html.log_time)
register.filter("kind_url", html.kind_url)
register.filter("curl", curl.curl)
register.filter("excerpt", html.short)
register.simple_tag(after_run.after_run, name="after_run")


@register.filter
def item(values: dict[str, Any], key: Any) -> Any:
    """The value of a key that is no literal; None without it."""
    return values.get(str(key))


@register.simple_tag(name="standstill")
def why_runs_are_not_taken() -> str:
    """A sentence for operators, with a cluster's own error; empty while all is well."""
    return standstill(in_detail=True)


@register.simple_tag(takes_context=True)
def nav_item(context: Any, label: str, page: str, *permissions: str) -> SafeString:
    return navigation.item(context["request"], label, page, *permissions)


@register.simple_tag(takes_context=True)
def list_crumb(context: Any, opts: Any) -> SafeString:
    return navigation.list_crumb(context["request"], opts)


@register.simple_tag(takes_context=True)
def object_url(context: Any, found: Any) -> str:
    return navigation.object_url(context["request"], found)


@register.simple_tag(takes_context=True)
def add_preserved_filters_of(context: Any, run_id: Any) -> str:
    return html.run_page_of(context["query"], run_id)


@register.simple_tag(takes_context=True)
def note_in_force(context: Any) -> HandOverNote | None:
    """For accounts that may see it, while it counts."""
    may_see = context["request"].user.has_perm(VIEW_RUN)
    return hand_over.in_force() if may_see else None
