"""A request is a row, so a secret goes into it by reference; in any other place it is refused, in a
sentence that says the way out."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.api import Context, InvalidStep, Secret
from jobs.execution.executor import execute
from jobs.models import Fetch, Run
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, Endpoint, drain
from tests.jobs.lib.test_law_11_secrets import assert_no_canary
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db
CANARY = 'canary-"ö"/needle'
URL = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def _canary(settings) -> None:
    settings.MODAL_KEY = CANARY
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"]}


def asked(url: str = URL, **options: Any) -> Run:
    """A run that wants to make this request, as far as it goes without a gateway."""
    with registered(lambda ctx: ctx.step.fetch("one", url, **options)):
        go()
        for claimed in claim_due(10):
            execute(claimed)
    return the_run()


def refusal(**options: Any) -> str:
    run = asked(**options)
    assert (run.status, Fetch.objects.count()) == ("failed", 0)
    assert_no_canary()
    return str(run.error["message"])


# --- by reference ---------------------------------------------------------------------------------


def test_a_template_is_filled_in_when_the_request_is_sent_and_not_before(
    settings, endpoint: Endpoint, admin_client: Client
) -> None:
    settings.MODAL_KEY = "canary-needle"
    endpoint.answers(Answer(body="fine"))
    header = {"Authorization": Secret("MODAL_KEY", "Bearer {}")}
    run = ran(lambda ctx: ctx.step.fetch("one", endpoint.url, headers=header).status_code)
    assert run.status == "completed"
    assert endpoint.asked[0].headers["authorization"] == "Bearer canary-needle"
    reference = {"$secret": "MODAL_KEY", "$template": "Bearer {}"}
    assert run.fetches.get().headers["Authorization"] == reference
    page = admin_client.get(reverse("admin:jobs_run_change", args=[run.pk])).content.decode()
    assert "Bearer {}" in page
    assert_no_canary()


def test_a_new_value_of_the_setting_is_sent_by_a_request_that_waits(
    settings, endpoint: Endpoint
) -> None:
    settings.MODAL_KEY = "the-old-value"
    asked(endpoint.url, headers={"Authorization": Secret("MODAL_KEY", "Bearer {}")})
    settings.MODAL_KEY = "the-new-value"
    drain()
    assert endpoint.asked[0].headers["authorization"] == "Bearer the-new-value"


@pytest.mark.parametrize(
    "template", ["", "Bearer", "{} {}", "Bearer {}\r\nX: y", "a\0{}", " {}", "{} ", None, 5, "{x}"]
)
def test_a_template_that_is_not_one_line_with_one_place_is_refused(template: Any) -> None:
    with pytest.raises(InvalidStep, match=r"Secret\(“MODAL_KEY”\): its template"):
        Secret("MODAL_KEY", template)


@pytest.mark.parametrize("name", ["", "MODAL KEY", None, 5, CANARY])
def test_a_secret_is_called_by_the_name_of_a_setting(name: Any) -> None:
    with pytest.raises(InvalidStep, match="takes the name of a setting") as refused:
        Secret(name)
    assert CANARY not in str(refused.value)


def test_a_secret_in_an_f_string_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidStep, match=r'template: Secret\("API_TOKEN", "Bearer \{\}"\)'):
        f"Bearer {Secret('API_TOKEN')}"


def test_a_template_that_holds_another_secret_is_refused(settings) -> None:
    settings.MODAL_SECRET = "another-secret"
    header = Secret("MODAL_KEY", "another-secret {}")
    message = refusal(headers={"Authorization": header})
    assert "the template of header 'Authorization' holds the value of settings.MODAL_SEC" in message
    assert "another-secret" not in message


# --- in clear -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("Authorization", f"Bearer {CANARY}", "Secret(\"MODAL_KEY\", 'Bearer {}')"),
        ("Cookie", f"a=b; token={CANARY}; c", "Secret(\"MODAL_KEY\", 'a=b; token={}; c')"),
        ("X-Padded", f" {CANARY}", 'Secret("MODAL_KEY")'),
        ("X-Twice", f"{CANARY},{CANARY}", "a setting that holds the header's whole value"),
        (
            "Authorization",
            "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode(),
            "a setting that holds the header's whole value",
        ),
    ],
)
def test_a_header_that_holds_a_secret_is_refused_with_the_way_out(
    name: str, value: Any, way_out: str
) -> None:
    message = refusal(headers={name: value})
    assert f"header '{name}' holds the value of settings.MODAL_KEY" in message
    assert way_out in message


@pytest.mark.parametrize("value", [f"x{CANARY}".encode(), [CANARY], {CANARY: 1}, None])
def test_a_header_that_is_no_text_is_refused_whatever_it_holds(value: Any) -> None:
    kind = type(value).__name__
    assert f"header 'X' is of type {kind}" in refusal(headers={"X": value})


@pytest.mark.parametrize("name", [f"X-{CANARY}", CANARY.upper(), 5, None, "X-\ud800"])
def test_a_header_s_name_that_holds_a_secret_or_is_none_is_refused(name: Any) -> None:
    assert "header's name" in refusal(headers={name: "x"})


@pytest.mark.parametrize(
    "options",
    [
        {"url": f"{URL}?key={CANARY}"},
        {"url": f"{URL}?key=canary-%22%C3%B6%22%2fneedle"},
        {"url": f"{URL}canary-%22%C3%B6%22/needle"},
        {"json": {"key": [CANARY]}},
        {"json": {CANARY: 1}},
        {"data": "key=canary-%22%C3%B6%22%2Fneedle"},
        {"data": base64.b64encode(f"u:{CANARY}".encode()).decode()},
    ],
)
def test_a_url_or_a_body_that_holds_a_secret_is_refused(options: dict[str, Any]) -> None:
    message = refusal(**options)
    assert "holds the value of settings.MODAL_KEY" in message
    assert 'with Secret("MODAL_KEY")' in message


@pytest.mark.parametrize("method", [CANARY, "." * 70 + CANARY, None, 5])
def test_a_method_that_is_none_is_refused_whatever_it_holds(method: Any) -> None:
    assert "are allowed" in refusal(method=method)


def test_a_host_that_is_not_allowed_is_told_without_the_secret(settings) -> None:
    for offset in range(150, 200):
        refusal(url="http://elsewhere.test/" + "x" * offset + CANARY)
        Run.objects.all().delete()


# --- other places of a step -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "asks",
    [
        lambda step: step.run("x" * 70 + CANARY, str),
        lambda step: step.run("x" * 150 + CANARY * 9, str),
        lambda step: step.sleep(CANARY, 1),
        lambda step: step.wait_for_event("one", event=CANARY, timeout=1),
        lambda step: step.wait_for_event("one", event="e", if_exp=f"async.name == '{CANARY}'"),
        lambda step: step.wait_for_event("one", event="x" * 250 + CANARY, timeout=1),
        lambda step: step.invoke("one", function=CANARY),
        lambda step: step.invoke("one", function="test-function", data={CANARY: CANARY}),
    ],
)
def test_no_other_word_of_a_step_takes_a_secret_into_a_row(asks: Any) -> None:
    def handler(ctx: Context) -> None:
        if not ctx.event.name.startswith("jobs/"):
            asks(ctx.step)

    ran(handler)
    assert_no_canary()


# --- not in clear ---------------------------------------------------------------------------------


def test_a_secret_is_not_sent_in_clear_to_another_host(settings) -> None:
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["api.example.org"]}
    for header in (Secret("MODAL_KEY"), CANARY):
        message = refusal(url="http://api.example.org/", headers={"Auth": header})
        assert "would send a secret in clear; use https://" in message
        Run.objects.all().delete()
    assert asked("http://api.example.org/", headers={"Auth": "no secret"}).status == "waiting"


@pytest.mark.parametrize(
    "url", ["https://api.example.org/", "http://studio:8000/", "http://localhost:9/", URL]
)
def test_it_is_sent_by_tls_and_where_the_network_is_ours(settings, url: str) -> None:
    hosts = ["api.example.org", "studio:8000", "localhost:9", "127.0.0.1:9"]
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": hosts, "PRIVATE_HOSTS": ["studio"]}
    assert asked(url, headers={"Auth": Secret("MODAL_KEY")}).status == "waiting"
    assert_no_canary()
