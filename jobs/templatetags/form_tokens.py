"""The token of a form that acts once (jobs/control/form_submissions.py), for any app's templates.

{% load form_tokens %}
<form method="post">{% csrf_token %}{% form_token %} … fields … </form>
<form method="post">{% csrf_token %}{% button_token %} … only a button … </form>
"""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.control.form_submissions import FIELD, token_for_form

register = template.Library()


@register.simple_tag(takes_context=True)
def form_token(context: dict[str, Any]) -> SafeString:
    """For a form with fields: the token stays when the form returns with errors or a browser
    restores it."""
    request = context.get("request")
    brought = request.POST.get(FIELD, "") if request is not None else ""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, token_for_form(brought))


@register.simple_tag
def button_token() -> SafeString:
    """For a form that is only a button: new with each page."""
    return format_html(
        '<input type="hidden" name="{}" value="{}" autocomplete="off">', FIELD, token_for_form()
    )
