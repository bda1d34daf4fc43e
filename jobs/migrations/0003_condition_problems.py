from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_panel"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConditionProblem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                (
                    "place",
                    models.CharField(
                        choices=[
                            ("trigger", "trigger"),
                            ("key", "concurrency"),
                            ("cancel_on", "cancel_on"),
                        ],
                        max_length=16,
                    ),
                ),
                ("is_mistake", models.BooleanField()),
                ("digest", models.CharField(max_length=32)),
                ("expression", models.TextField()),
                ("count", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("event_id", models.UUIDField()),
                ("reason", models.TextField()),
            ],
            options={
                "ordering": ["-last_at"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("fn_id", "place", "is_mistake", "digest"),
                        name="jobs_conditionproblem_once",
                    )
                ],
            },
        ),
    ]
