"""Views for signing up and for a listener's ledger. Signing in and out are Django's views."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from songs import credits, limits
from songs.forms import SignUpForm
from songs.models import User

ENTRIES_A_PAGE = 50


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user = admitted(request, form)
        except limits.TooMany as reached:
            form.add_error(None, str(reached))
            return limits.come_again(sign_up_page(request, form, status=429), reached)
        if user:
            login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
            return HttpResponseRedirect(next_page(request), status=303)
    return sign_up_page(request, form, status=422 if form.is_bound else 200)


def sign_up_page(request: HttpRequest, form: SignUpForm, status: int) -> HttpResponse:
    context = {
        "form": form,
        "next": request.POST.get("next", request.GET.get("next", "")),
        "starting_credits": settings.STARTING_CREDITS,
    }
    return render(request, "accounts/signup.html", context, status=status)


def admitted(request: HttpRequest, form: SignUpForm) -> User | None:
    """The new account, or None if the name was taken. Raises TooMany beyond a limit."""
    with limits.taking("sign-ups", request) as permit:
        permit.require()
        user = new_listener(form)
        if user is None:
            permit.give_back()
    return user


def new_listener(form: SignUpForm) -> User | None:
    """Make the account and its welcome credits in one transaction. None if the name was taken."""
    try:
        with transaction.atomic():
            user = form.save()
            credits.welcome(user)
    except IntegrityError:
        form.add_error("username", "Another account has just taken this name. Choose another name.")
        return None
    return user


def next_page(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    hosts = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(wanted, hosts, require_https=request.is_secure())
    return wanted if safe else "/"


@login_required
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """The listener's ledger, the newest entry first."""
    user = cast(User, request.user)
    entries = user.credit_entries.select_related("song")
    page = Paginator(entries, ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "balance": credits.balance(user)}
    return render(request, "accounts/ledger.html", context)
