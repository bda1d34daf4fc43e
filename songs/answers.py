"""Answers that refuse a request: as a page, as JSON, or as a line of text, as the browser asked."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.defaults import bad_request, page_not_found

NOT_UNDERSTOOD = "The request cannot be read, or names another host. Nothing was done."
NOT_FOUND = "There is nothing at this address, or it belongs to another account."


def refusal(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    headers: dict[str, str],
    back: str = "",
) -> HttpResponse:
    """The sentence under this status; a page has a link `back`. Building it makes no query."""
    headers = {"Cache-Control": "no-store", **headers}
    if wants_json(request):
        return JsonResponse({"error": sentence}, status=status, headers=headers)
    if is_part_of_a_page(request):
        return HttpResponse(sentence, "text/plain; charset=utf-8", status=status, headers=headers)
    page = render_to_string("refusal.html", {"title": title, "sentence": sentence, "back": back})
    return HttpResponse(page, status=status, headers=headers)


def not_understood(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 of Django's (handler400): the site's page, or the sentence for a program."""
    if wants_json(request):
        return refusal(request, 400, "Not understood", NOT_UNDERSTOOD, {})
    return bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: the site's page, or the sentence for a program."""
    if wants_json(request):
        return refusal(request, 404, "Not found", NOT_FOUND, {})
    return page_not_found(request, exception or Http404())


def wants_json(request: HttpRequest) -> bool:
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return request.path.endswith(".json") or preferred == "application/json"


def is_part_of_a_page(request: HttpRequest) -> bool:
    """Whether the browser fetches a fragment, a sound or a picture rather than a page."""
    destination = request.headers.get("Sec-Fetch-Dest", "document")
    return "HX-Request" in request.headers or destination not in ("document", "iframe")
