"""What an account's page answers to a form that it refuses: 422, or 429 with the time to wait.

django-allauth answers most of them with 200, and says of its limits neither time nor status.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import resolve, reverse

from songs import answers
from songs.accounts import attempts
from songs.accounts.allauth_internals import ACCOUNT, MFA, wait_for

logger = logging.getLogger(__name__)
# What allauth counts before it opens a page.
ACTIONS = {
    "account_login": (ACCOUNT, "login"),
    "account_signup": (ACCOUNT, "signup"),
    "account_email": (ACCOUNT, "manage_email"),
    "account_change_password": (ACCOUNT, "change_password"),
    "account_set_password": (ACCOUNT, "change_password"),
    "account_reset_password": (ACCOUNT, "reset_password"),
    "account_reset_password_from_key": (ACCOUNT, "reset_password_from_key"),
    "account_reauthenticate": (ACCOUNT, "reauthenticate"),
    "mfa_reauthenticate": (ACCOUNT, "reauthenticate"),
    "mfa_reauthenticate_webauthn": (ACCOUNT, "reauthenticate"),
    "mfa_login_webauthn": (MFA, "webauthn_login"),
}
AT_ONCE = "This form was sent twice at once, and counted once. See what it has changed."
UNKNOWN = timedelta(minutes=1)
TOO_OFTEN = "That was too often. Nothing has changed. Try again in {}."


class TooOften(ValidationError):
    """A form is refused for `wait`. The sentence has “{}” where the time to wait stands."""

    def __init__(self, sentence: str, wait: timedelta) -> None:
        self.wait = wait
        super().__init__(sentence.format(attempts.in_words(wait)), code="paused")


def retry_after(wait: timedelta) -> str:
    return str(max(math.ceil(wait.total_seconds()), 1))


# --- allauth's limits ---


def too_often(request: HttpRequest) -> HttpResponse:
    """The page that allauth asks for (handler429) where one of its limits refuses a request."""
    app, action = ACTIONS.get(resolve(request.path_info).url_name or "", (ACCOUNT, ""))
    email = request.POST.get("email", "").strip().lower()
    wait = (wait_for(request, action, email, app=app) if action else None) or UNKNOWN
    refusal = TooOften(TOO_OFTEN, wait)
    headers = {"Retry-After": retry_after(wait)}
    page = answers.refusal(request, 429, "Too often", str(refusal.message), headers)
    page.refusal = refusal  # type: ignore[attr-defined]
    return page


class KeepsWhatWasTyped:
    """A view of allauth's that shows its form again, as it was sent, where a limit of allauth's
    refuses the request."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Any = super()
        response: HttpResponse = view.dispatch(request, *args, **kwargs)
        refusal = getattr(response, "refusal", None)
        return self.form_again(refusal) if request.method == "POST" and refusal else response

    def form_again(self, refusal: TooOften) -> HttpResponse:
        view: Any = self
        form = unexamined(view.get_form())
        form.add_error(None, refusal)
        page: HttpResponse = view.render_to_response(view.get_context_data(form=form))
        page.status_code = 429
        page["Retry-After"] = retry_after(refusal.wait)
        return page


def unexamined(form: Any) -> Any:
    """The form with what was typed and no errors: to examine it may count. Django does not examine
    an unbound form."""
    is_bound, form.is_bound = form.is_bound, False
    form.non_field_errors()
    form.is_bound, form.cleaned_data = is_bound, {}
    return form


# --- the status of a refused form ---


class AnswersToForms:
    """Middleware: the status of an account's page that shows a form again with its errors, and an
    answer to the second of two forms that were sent at once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        if is_form(request) and response.status_code == 200:
            response.add_post_render_callback(give_status)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """allauth makes a row in a transaction of its own, and the database lets one of two such
        rows in. The page that the second one leads to shows what the first has done."""
        if not (is_form(request) and isinstance(error, IntegrityError)):
            return None
        logger.warning("Two forms at once: %s", str(error).partition("\n")[0])  # without the values
        messages.info(request, AT_ONCE)
        is_of_mfa = "/2fa/" in request.path
        where = reverse("mfa_index") if is_of_mfa else request.path
        return HttpResponseRedirect(where, status=303)


def is_form(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path.startswith(reverse("account"))


def give_status(response: TemplateResponse) -> None:
    found = list(_errors(response.context_data or {}))
    waits = [error.wait for error in found if isinstance(error, TooOften)]
    if found:
        response.status_code = 429 if waits else 422
    if waits:
        response["Retry-After"] = retry_after(max(waits))


def _errors(context: dict[str, Any]) -> Iterator[ValidationError]:
    """Those of forms that the view or the page has examined, which may count. Such a form has
    cleaned data."""
    for name in ("form", "webauthn_form"):
        form = context.get(name)
        if form is not None and hasattr(form, "cleaned_data"):
            for errors in form.errors.as_data().values():
                yield from errors
