"""Categories."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from songs.admin.base import AsksOfEach
from songs.forms import LineField
from songs.models import Category


@admin.register(Category)
class CategoryAdmin(AsksOfEach):
    list_display = ["name", "folded", "published"]
    search_fields = ["name", "folded"]
    readonly_fields = ["folded", "published"]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kind = {"form_class": LineField} if db_field.name == "name" else {}
        return super().formfield_for_dbfield(db_field, request, **kind, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
