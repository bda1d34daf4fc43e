"""A listener can leave: ledger entries without an account, and downloads of everything."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from jobs.api import new_id

KINDS = [
    ("welcome", "Welcome credits"),
    ("grant", "Granted by an operator"),
    ("charge", "Song"),
    ("waived", "Song, waived: the balance was empty"),
    ("refund", "Refund"),
    ("closed", "Account closed: the rest was taken back"),
]
STATUSES = [
    ("queued", "Queued"),
    ("making", "Being packed"),
    ("ready", "Ready"),
    ("failed", "Failed"),
]


class Migration(migrations.Migration):
    dependencies = [("songs", "0011_limits")]

    operations = [
        migrations.AddField(
            model_name="creditentry",
            name="former",
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="creditentry",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=16),
        ),
        migrations.AlterField(
            model_name="ledgerhour",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=16),
        ),
        migrations.AlterField(
            model_name="creditentry",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credit_entries",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="creditentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("user__isnull", False), ("former__isnull", False), _connector="OR"
                ),
                name="songs_creditentry_has_an_account",
            ),
        ),
        migrations.CreateModel(
            name="Download",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(choices=STATUSES, default="queued", max_length=16),
                ),
                ("done", models.IntegerField(default=0)),
                ("total", models.IntegerField(default=0)),
                ("size", models.BigIntegerField(null=True)),
                ("event_id", models.UUIDField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("ready_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="downloads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-id"], "default_permissions": ()},
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["expires_at"],
                name="songs_download_expiry",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["queued", "making"])),
                fields=("owner",),
                name="songs_download_one_at_a_time",
            ),
        ),
    ]
