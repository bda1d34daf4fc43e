"""An event whose data has a type is sent from a form with a field for each value; the text of JSON
stays for those who want it, and for what has no type.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from html import unescape
from typing import Any

import pydantic
import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from jobs.admin.data_schema import properties
from jobs.api import Event, TriggerEvent, send
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.registry import rows
from jobs.registry.event_data import schema
from jobs.testing import drain
from tests.support import browser as chromium
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
FORM = reverse("admin:jobs_event_send")
NAMED = f"{FORM}?name=test/go"


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Order:
    id: int
    price: Decimal
    title: str
    size: Size = Size.SMALL
    is_gift: bool = False
    weight: float | None = None
    due: date | None = None
    lines: list[dict[str, int]] = field(default_factory=list)


class Model(pydantic.BaseModel):
    id: int
    price: Decimal
    title: str = "none"
    size: Size | None = None
    due: date | None = None
    inner: dict[str, int] = {}


KINDS = {
    "id": "integer",
    "price": "decimal",
    "title": "text",
    "size": "choice",
    "is_gift": "boolean",
    "weight": "number",
    "due": "date",
    "lines": "json",
    "inner": "json",
}


def typed(kind: Any = Order, **options: Any) -> Any:
    return registered(
        lambda ctx: ctx.event.data, trigger=TriggerEvent(event="test/go", data=kind), **options
    )


def filled(**changes: str) -> dict[str, str]:
    """The form as a browser sends it, by fields."""
    form = {"name": "test/go", "id": "", "ts": "", "by": "fields", "form_token": str(uuid.uuid4())}
    data = {"id": "7", "price": "1.50", "title": " a ", "size": '"large"', "is_gift": "true"}
    data |= {"weight": "", "due": "2030-01-31", "lines": '[{"n": 1}]'} | changes
    return form | {f"data.{name}": value for name, value in data.items()}


@pytest.mark.parametrize("kind", [Order, Model])
def test_each_value_of_a_type_has_a_field_of_its_kind(kind):
    found = properties(schema(TriggerEvent(event="x", data=kind)))
    assert {one.name: one.kind for one in found} == {
        name: KINDS[name] for name in {one.name for one in found}
    }
    needed = {"id", "price", "title"} if kind is Order else {"id", "price"}
    assert {one.name for one in found if one.is_required} == needed


def test_what_is_filled_in_is_sent_as_json_and_what_is_blank_is_left_out(admin_client: Client):
    with typed():
        rows.sync()
        response = admin_client.post(FORM, filled())
        drain()

    event = EventRow.objects.get()
    assert response.status_code == 302
    assert event.data == {
        "id": 7,
        "price": "1.50",
        "title": " a ",
        "size": "large",
        "is_gift": True,
        "due": "2030-01-31",
        "lines": [{"n": 1}],
    }
    assert Run.objects.get().output["weight"] is None


SLIPS = {
    "no number": ({"id": "x"}, "This is no whole number; 3 is one."),
    "no json": ({"lines": "[1"}, "This is not JSON"),
    "none of the choices": ({"size": '"huge"'}, "Select a valid choice"),
    "what the type refuses": (
        {"price": "free"},
        "data.price is 'free'; a decimal number",
    ),
    "what is nested": (
        {"lines": '[{"n": "x"}]'},
        "data.lines[0].n is 'x'; a whole number",
    ),
    "what is missing": ({"price": ""}, "data.price is missing; a decimal number"),
}


@pytest.mark.parametrize(("changes", "sentence"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_beside_its_field_and_the_rest_stays(
    admin_client: Client, changes: dict[str, str], sentence: str
):
    with typed():
        rows.sync()
        response = admin_client.post(FORM, filled(**changes))

    page = unescape(response.content.decode())
    (name,) = changes
    beside = page.split(f'id="id_data.{name}"')[1].split('<div class="jobs-field">')[0]
    assert response.status_code == 422
    assert sentence in beside
    assert 'value="2030-01-31"' in page
    assert not EventRow.objects.exists()


def test_the_fields_are_filled_from_the_last_event_of_the_name(admin_client: Client):
    with typed():
        rows.sync()
        send(Event(name="test/go", data=Order(9, Decimal("2.25"), "<b>", due=date(2031, 2, 3))))
        page = admin_client.get(NAMED).content.decode()

    for shown in ('value="9"', 'value="2.25"', 'value="&lt;b&gt;"', 'value="2031-02-03"'):
        assert shown in page
    assert "Data: Order" in page


def test_the_text_of_json_is_a_click_away_and_sends_as_before(admin_client: Client):
    with typed():
        rows.sync()
        as_json = admin_client.get(f"{NAMED}&as=json").content.decode()
        text = '{"id": 1, "price": 2, "title": "a"}'
        form = {
            key: value for key, value in filled().items() if not key.startswith(("data.", "by"))
        }
        response = admin_client.post(FORM, form | {"event_data": text})
        wrong = admin_client.post(FORM, form | {"event_data": "{}"})

    assert '<textarea name="event_data"' in as_json
    assert "Fill in a field for each value" in as_json
    assert response.status_code == 302
    assert "data.id is missing; a whole number is allowed" in wrong.content.decode()
    assert EventRow.objects.count() == 1


def test_a_name_without_a_type_has_the_text_alone(admin_client: Client):
    with registered(print):
        rows.sync()
        page = admin_client.get(NAMED).content.decode()
        sent = admin_client.post(FORM, filled())

    assert '<textarea name="event_data"' in page
    assert "Fill in a field" not in page
    assert sent.status_code == 422


def test_the_functions_page_says_what_its_event_holds(admin_client: Client):
    with typed():
        rows.sync()
        url = reverse("admin:jobs_registeredfunction_change", args=[quote("test-function")])
        page = unescape(admin_client.get(url).content.decode())

    assert "Event “test/go” holds Order: id (a whole number), price (a decimal number)" in page
    assert "due (a date; may be left out)" in page


@pytest.mark.parametrize("data", [5, "x", {}, {"properties": 5}, {"properties": {"a": 5}}, None])
def test_a_row_that_holds_an_odd_schema_is_shown_all_the_same(admin_client: Client, data: Any):
    with registered(print):
        rows.sync()
    config = {"triggers": [{"event": "test/go", "data": data}, 5]}
    rows.RegisteredFunction.objects.filter(fn_id="test-function").update(config=config)
    url = reverse("admin:jobs_registeredfunction_change", args=["test-function"])
    assert admin_client.get(NAMED).status_code == 200
    assert admin_client.get(url).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_an_event_is_sent_by_its_fields_in_a_browser(browser, live_server, cookie, width):
    view = {"viewport": {"width": width, "height": 900}}
    with typed(), chromium.opened(browser, live_server.url, cookie, **view) as looked:
        rows.sync()
        page = looked.page
        page.goto(NAMED)
        page.get_by_label("id", exact=True).fill("7")
        page.get_by_label("price", exact=True).fill("1.50")
        page.get_by_label("title", exact=True).fill("A song")
        page.get_by_label("size may be left out").select_option("large")
        looked.picture(f"typed-{width}")
        assert looked.too_wide() == []
        page.get_by_role("button", name="Send the event").click()
        expect(page.get_by_text("The event was sent. It has started 1 run.")).to_be_visible()
    assert EventRow.objects.get().data["size"] == "large"
