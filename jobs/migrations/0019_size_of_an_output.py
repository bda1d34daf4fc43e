from django.db import migrations, models


class Migration(migrations.Migration):
    """May be null: PostgreSQL adds the column without rewriting the table."""

    dependencies = [
        ("jobs", "0018_epoch_of_a_run"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="output_bytes",
            field=models.IntegerField(blank=True, null=True),
        ),
    ]
