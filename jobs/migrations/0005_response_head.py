from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_forgetting"),
    ]

    operations = [
        migrations.AlterField(
            model_name="fetch",
            name="response",
            field=models.JSONField(blank=True, db_column="response", null=True),
        ),
        migrations.RenameField(
            model_name="fetch",
            old_name="response",
            new_name="response_head",
        ),
    ]
