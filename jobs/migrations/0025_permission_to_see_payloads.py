from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0022_rollups")]

    operations = [
        migrations.AlterModelOptions(
            name="event",
            options={
                "ordering": ["-id"],
                "permissions": [
                    (
                        "view_payload",
                        "Can see payloads: data of events, outputs, requests, log lines, keys",
                    )
                ],
            },
        ),
    ]
