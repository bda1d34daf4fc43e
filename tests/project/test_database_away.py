"""Whatever way the database is away in, and wherever in a request that is met: the answer is 503,
and the next request has another connection (see melodymaker/middleware.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from tests.project import pages
from tests.project.pages import VIEWS, become_reader, lose

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def visitor(settings: Any) -> Iterator[Client]:
    settings.ROOT_URLCONF = "tests.project.pages"
    yield Client(raise_request_exception=False)
    connection.close()


@pytest.fixture(params=[True, False], ids=["debug", "production"])
def debug(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.DEBUG = request.param


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize("spoil", [become_reader, lose])
@pytest.mark.parametrize("page", [view.__name__ for view in VIEWS])
def test_a_page_that_cannot_use_it_says_to_come_back(
    visitor: Client, page: str, spoil: Callable[[], None]
) -> None:
    spoil()
    answer = visitor.get(f"/{page}/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Back in a moment" in answer.content.decode()

    assert visitor.get(f"/{page}/").status_code == 200


def test_an_error_that_code_has_caught_costs_the_connection(visitor: Client) -> None:
    """It is the socket that leads to the reader; a new one leads to the writer."""
    become_reader()
    assert visitor.get("/says_nothing/").status_code == 200
    assert not Session.objects.exists()

    assert visitor.get("/says_nothing/").status_code == 200
    assert Session.objects.exists()


def test_a_connection_that_is_lost_before_the_commit(visitor: Client) -> None:
    assert visitor.get("/loses_it_before_the_commit/").status_code == 503
    assert visitor.get("/view/").status_code == 200


# 53200 is also what a full table of locks is called. The table is the whole server's, so a test
# that really fills it makes the tests beside it fail.
@pytest.mark.parametrize("code", ["25006", "53100", "53200", "53300", "57P01", "57P03", "58030"])
def test_whatever_the_server_calls_it(visitor: Client, code: str) -> None:
    assert visitor.get(f"/fails_with/{code}/").status_code == 503


@pytest.mark.parametrize("code", ["23505", "25P03", "40P01", "42P01", "53400", "57014"])
def test_a_statement_that_fails_on_a_healthy_server_is_a_defect(visitor: Client, code: str) -> None:
    assert visitor.get(f"/fails_with/{code}/").status_code == 500


# --- in what form it is said ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({"Accept": "text/html,*/*;q=0.8"}, "text/html; charset=utf-8"),
        ({"Accept": "application/json"}, "application/json"),
        ({"Accept": "*/*", "HX-Request": "true"}, "text/plain; charset=utf-8"),
        ({"Accept": "*/*", "Sec-Fetch-Dest": "audio"}, "text/plain; charset=utf-8"),
        ({"Accept": "image/*", "Sec-Fetch-Dest": "image"}, "text/plain; charset=utf-8"),
    ],
)
def test_the_answer_has_the_form_that_was_asked_for(
    visitor: Client, headers: dict[str, str], content_type: str
) -> None:
    become_reader()
    answer = visitor.get("/view/", headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (503, content_type)
    assert "in a few seconds" in answer.content.decode()


def test_it_is_not_kept_and_has_the_policy_of_every_page(visitor: Client) -> None:
    become_reader()
    answer = visitor.get("/view/")
    assert answer["Cache-Control"] == "no-store"
    assert "default-src 'self'" in answer["Content-Security-Policy"]


def test_it_says_that_a_form_is_not_lost(visitor: Client) -> None:
    for method, is_said in [("get", False), ("post", True)]:
        become_reader()
        said = getattr(visitor, method)("/view/").content.decode()
        assert ("Your browser has kept what you typed" in said) is is_said
        assert ('href=""' in said) is not is_said  # a link would lose the form


def test_it_asks_no_database(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be none: its address leads nowhere."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    visitor.cookies["sessionid"] = "a-session"
    answer = visitor.get("/view/")
    assert answer.status_code == 503
    assert "nowhere" not in answer.content.decode()
    assert pages.OK not in answer.content.decode()
