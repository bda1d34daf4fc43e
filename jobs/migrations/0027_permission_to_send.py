from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_hand_over")]

    operations = [
        migrations.AlterModelOptions(
            name="event",
            options={
                "ordering": ["-id"],
                "permissions": [
                    (
                        "view_payload",
                        "Can see payloads: data of events, outputs, requests, log lines, keys",
                    ),
                    ("send_event", "Can send events and start functions by hand"),
                ],
            },
        ),
    ]
