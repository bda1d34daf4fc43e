from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0017_form_submissions"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="epoch",
            field=models.IntegerField(db_default=0, default=0),
        ),
    ]
