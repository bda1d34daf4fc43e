"""The cache's table, the addresses that were welcomed, an index of addresses.

The table of failed sign-ins is no longer used; 0017 drops it.
"""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("songs", "0008_operators_do_more"),
    ]

    operations = [
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("key", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("expires_at", models.DateTimeField(db_index=True, null=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="WelcomedAddress",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"default_permissions": ()},
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel(name="SignInFailure")]
        ),
        migrations.AddIndex(
            model_name="user", index=models.Index(fields=["email"], name="songs_user_email")
        ),
    ]
