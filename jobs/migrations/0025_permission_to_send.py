from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0022_rollups"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="event",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("send_event", "Can send events and start functions by hand"),
                ],
            },
        ),
    ]
