"""Accounts: signing up and in, by django-allauth, with the site's own limits and welcome."""
