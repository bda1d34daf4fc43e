"""The forms of a page, as a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form that is sent with POST: its address and the fields that it brings along."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.inside = given.get("method", "").lower() == "post"
            if self.inside:
                self.forms.append(Form(given.get("action", "")))
        if tag in ("textarea", "select") and self.inside and "name" in given:
            self.forms[-1].fields[given["name"]] = ""
        is_off = given.get("type") == "checkbox" and "checked" not in given
        if tag == "input" and self.inside and "name" in given and not is_off:
            self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False


def forms_of(page: str) -> list[Form]:
    reader = _Reader()
    reader.feed(page)
    return reader.forms


def form_of(page: str, part: str) -> Form:
    """The one form whose address or fields contain a text."""
    [form] = [form for form in forms_of(page) if part in f"{form.action} {form.fields}"]
    return form
