from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0011_one_check_a_run"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("rerun_run", "Can rerun runs"),
                    ("edit_run", "Can rerun runs with other data"),
                    ("cancel_run", "Can cancel runs"),
                ],
            },
        ),
    ]
