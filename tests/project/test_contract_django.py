"""What the site and the panel lean on in private parts of Django: two names in one file. A release
that changes it fails here first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from melodymaker import screening

DJANGO = Path(django.__file__).parent
PARTS = ("contrib", "core/handlers", "forms", "http", "views")
FORM = "application/x-www-form-urlencoded"
DOCUMENTED = {"_base_manager", "_default_manager", "_meta", "_state"}


def private_names(source: Path) -> Iterator[tuple[str, str]]:
    """Of attributes with what they are of."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Attribute) and node.attr[0] == "_" and node.attr[1] != "_":
            yield node.attr, ast.unparse(node.value)


def test_private_names_of_django_are_used_in_one_file() -> None:
    modules = (path for part in PARTS for path in DJANGO.joinpath(part).rglob("*.py"))
    theirs = {name for path in modules for name, _ in private_names(path)} - DOCUMENTED
    assert {"_perm_cache", "_registry", "_errors"} <= theirs
    tops = (settings.BASE_DIR / top for top in ("songs", "melodymaker", "jobs/admin"))
    found = {
        (path, name)
        for top in tops
        for path in top.rglob("*.py")
        for name, owner in private_names(path)
        if name in theirs and owner != "self"
    }
    here = Path(screening.__file__)
    assert found == {(here, "_stream"), (here, "_set_content_type_params")}


def request_of(body: bytes) -> WSGIRequest:
    request = RequestFactory().generic("POST", "/", b"x", content_type=FORM)
    screening.give_body(request, body)
    return request


def test_what_a_request_is_given_is_its_body_and_its_form() -> None:
    assert request_of(b"wish=jazz").body == b"wish=jazz"
    assert request_of(b"wish=jazz").POST.dict() == {"wish": "jazz"}
    assert request_of(b"wish=jazz").read(4) == b"wish"
