from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0013_requeues_and_pulse"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="epoch",
            field=models.IntegerField(db_default=0, default=0),
        ),
    ]
