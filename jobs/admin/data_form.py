"""Form fields for an event's data, from its schema; blank ones are left out."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs.admin.data_schema import MAX_PROPERTIES, NOTHING, Property, properties
from jobs.admin.edits import JsonField
from jobs.admin.sending_form import SendForm

INPUTS = {"date": "date", "time": "time"}
WRONG = {
    "integer": "This is no whole number; 3 is one.",
    "number": "This is no number; 1.5 is one.",
}


class FieldsForm(SendForm):
    """SendForm with a field for each property in place of JSON text."""

    def __init__(self, *args: Any, schema: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["event_data"]
        found = islice(properties(schema), MAX_PROPERTIES)
        self.properties = {f"data.{one.name}": one for one in found}
        for name, one in self.properties.items():
            self.fields[name] = _field(one)
            self.initial.setdefault(name, _initial(one, self.initial.get("data")))

    def data_fields(self) -> list[tuple[forms.BoundField, Property]]:
        return [(self[name], one) for name, one in self.properties.items()]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        values = {one.name: given.get(name) for name, one in self.properties.items()}
        given["event_data"] = {name: value for name, value in values.items() if value is not None}
        return super().clean()

    def place_error(self, text: str) -> None:
        """Beside the field that it names: “data.price is …”."""
        named = [name for name in self.properties if f": {name} " in text or f": {name}[" in text]
        self.add_error(named[0] if named else None, text)


class _Value(forms.CharField):
    """A JSON value typed as text; None if blank."""

    def __init__(self, one: Property, **options: Any) -> None:
        super().__init__(required=False, strip=one.kind != "text", **options)
        self._one = one

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if self._one.kind == "text":
            return text if text or self._one.is_required else None
        return self._read(text) if text else None

    def _read(self, text: str) -> Any:
        kind = self._one.kind
        try:
            if kind == "integer":
                return int(text)
            return float(text) if kind == "number" else text
        except ValueError:
            raise ValidationError(WRONG[kind]) from None


class _Json(JsonField):
    def to_python(self, value: Any) -> Any:
        return super().to_python(value) if str(value or "").strip() else None


class _Choice(forms.ChoiceField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return json.loads(text) if text else None


def _field(one: Property) -> forms.Field:
    label = one.name
    if one.kind == "json":
        rows = forms.Textarea({"spellcheck": "false", "class": "jobs-editor", "rows": 4})
        return _Json(required=False, strip=False, label=label, widget=rows)
    if one.kind in ("boolean", "choice"):
        choices = [True, False] if one.kind == "boolean" else one.choices
        listed = [("", "–"), *((json.dumps(c), _shown(c)) for c in choices)]
        return _Choice(required=False, label=label, choices=listed)
    widget = forms.TextInput({"autocomplete": "off", "size": 40})
    widget.input_type = INPUTS.get(one.kind, "text")
    return _Value(one, label=label, widget=widget)


def _shown(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


def _initial(one: Property, data: Any) -> Any:
    value = data.get(one.name, one.default) if isinstance(data, dict) else one.default
    if value is NOTHING or value is None:
        return ""
    if one.kind in ("json", "boolean", "choice"):
        return json.dumps(value, ensure_ascii=False)
    return value
