"""304 for what programs fetch again and again: the feeds, and the maps for search engines."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.cache import get_conditional_response, set_response_etag


def unchanged_is_304(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Give a view's answer an ETag of its content, and no body if the program has that already.

    The date of the newest song tells nothing of one that was withdrawn, so no answer has it as its
    `Last-Modified`.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        whole = view(request, *args, **kwargs)
        if whole.status_code != 200:
            return whole
        if isinstance(whole, SimpleTemplateResponse):
            whole.render()
        del whole["Last-Modified"]
        set_response_etag(whole)
        length = str(len(whole.content))
        answer: Any = get_conditional_response(request, etag=whole["ETag"], response=whole)
        if answer.status_code != 412:  # else Django adds 0 to a 304, which caches keep for the feed
            answer["Content-Length"] = length
        return answer

    return answered
