from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("songs", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="creditentry",
            name="by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entries_made",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
