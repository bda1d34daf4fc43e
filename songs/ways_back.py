"""The page that a request without one leads back to: a form's address has no page of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

OBJECT = re.compile(r"/(\d+|[0-9a-f-]{36})/$")  # the end of a row's address in the panel


def page_of(request: HttpRequest) -> str:
    """The page of this site from which the request came; else the one that its address is about."""
    return _page_it_names(request) or page_about(request.path)


def _page_it_names(request: HttpRequest) -> str | None:
    for header in ("HX-Current-URL", "Referer"):
        try:
            named = urlsplit(request.headers.get(header, ""))
        except ValueError:  # no address
            continue
        if named.netloc == request.get_host() and is_page(named.path):
            return f"{named.path}?{named.query}" if named.query else named.path
    return None


def page_about(path: str) -> str:
    """The nearest page at or above an address: the song's, the object's in the panel, the start."""
    return path if is_page(path) else page_above(path)


def page_above(path: str) -> str:
    for above in _upwards(path):
        of_object = f"{above}change/"
        if is_page(above):
            return above
        if OBJECT.search(above) and is_page(of_object):
            return of_object
    return reverse("home")


def _upwards(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")
    for length in range(len(parts) - 1, 0, -1):
        yield f"/{'/'.join(parts[:length])}/"


def is_page(path: str) -> bool:
    """Whether an address of this site answers GET. The panel's nameless ones are redirects."""
    try:
        match = resolve(path)
    except Resolver404:
        return False
    return bool(match.url_name) and _accepts_get(match.func)


def _accepts_get(view: Callable[..., Any] | None) -> bool:
    """Looks into what `require_http_methods` has wrapped around the view, at whatever depth."""
    while view is not None:
        function: Any = getattr(view, "__func__", view)
        if code := getattr(function, "__code__", None):
            for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
                if name == "request_method_list" and "GET" not in cell.cell_contents:
                    return False
        view = getattr(view, "__wrapped__", None)
    return True
