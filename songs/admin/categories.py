"""Categories."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from songs.admin.base import AsksOfEach
from songs.models import Category


@admin.register(Category)
class CategoryAdmin(AsksOfEach):
    list_display = ["name", "folded", "published"]
    search_fields = ["name", "folded"]
    readonly_fields = ["folded", "published"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
