"""Template tags and filters of the account's pages."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.forms import BoundField
from django.utils.safestring import SafeString

from jobs.api import excerpt
from songs.accounts import welcome
from songs.models import User

register = template.Library()

BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
BROWSERS |= {"Safari/": "Safari", "curl/": "curl"}
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows"}
SYSTEMS |= {"Mac OS": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"}


@register.filter
def bare(field: BoundField) -> SafeString:
    """The field without a placeholder: its label says what it is."""
    return field.as_widget(attrs={"placeholder": False})


@register.filter
def browser(user_agent: str) -> str:
    """“Firefox on Linux”; of others the beginning of what the browser says of itself."""
    name = next((name for mark, name in BROWSERS.items() if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return " on ".join(filter(None, [name, system])) or excerpt(user_agent, 40) or "unknown"


@register.simple_tag
def sign_up_is_open() -> bool:
    return bool(settings.SIGN_UP != "closed")


@register.simple_tag
def welcome_credits_for(user: User) -> int:
    """How many credits a confirmed address would bring; 0 if the account has had them."""
    return 0 if welcome.had_welcome(user) else int(settings.STARTING_CREDITS)
