"""Each account's e-mail address becomes a row of django-allauth's: the account's own, and not
confirmed, for no account has been asked so far. Two accounts may name the same address, in whatever
case; the first to confirm it has it. An address whose account got its welcome credits is noted, so
that it gets them once."""

from django.db import migrations
from django.db.models import Exists, OuterRef

from songs.accounts.welcome import digests

BATCH = 1_000


def adopt_addresses(apps, schema_editor=None):
    rows = apps.get_model("account", "EmailAddress")
    accounts = apps.get_model("songs", "User").objects.exclude(email="").order_by("pk")
    for batch in _batches(accounts.values_list("pk", "email")):
        rows.objects.bulk_create(
            [rows(user_id=pk, email=email.lower(), primary=True) for pk, email in batch],
            ignore_conflicts=True,
        )


def note_welcomed(apps, schema_editor=None):
    noted = apps.get_model("songs", "WelcomedAddress")
    entries = apps.get_model("songs", "CreditEntry").objects.filter(kind="welcome")
    accounts = apps.get_model("songs", "User").objects.exclude(email="").order_by("pk")
    welcomed = accounts.filter(Exists(entries.filter(user=OuterRef("pk"))))
    for batch in _batches(welcomed.values_list("pk", "email")):
        noted.objects.bulk_create(
            [noted(digest=digests(email)[0]) for _, email in batch], ignore_conflicts=True
        )


def _batches(rows):
    """Of rows in the order of their primary key, which is their first column."""
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:BATCH])


class Migration(migrations.Migration):
    dependencies = [
        ("songs", "0009_accounts_of_allauth"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.RunPython(adopt_addresses, migrations.RunPython.noop),
        migrations.RunPython(note_welcomed, migrations.RunPython.noop),
    ]
