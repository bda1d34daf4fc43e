"""The product's pages in the operator's panel, one file a page."""

from __future__ import annotations

from django.contrib import admin

from songs.admin import balances, categories, groups, ledger, listeners, publications, songs
from songs.signin import AdminSignInForm

__all__ = ["balances", "categories", "groups", "ledger", "listeners", "publications", "songs"]

admin.site.login_form = AdminSignInForm
