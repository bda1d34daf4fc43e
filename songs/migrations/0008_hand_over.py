"""Operators may write the note for the next shift. A group that was changed stays as it is."""

from importlib import import_module

from django.db import migrations

WRITES = "add_handovernote"
roles = import_module("songs.migrations.0007_roles")


def let_operators_write(apps, schema_editor=None):
    roles.make_permissions(apps, "jobs")
    group = apps.get_model("auth", "Group").objects.filter(name="Operators").first()
    made = {codename for listed in roles.GROUPS["Operators"].values() for codename in listed}
    if group and set(group.permissions.values_list("codename", flat=True)) == made:
        permissions = apps.get_model("auth", "Permission").objects
        group.permissions.add(
            permissions.get(content_type__app_label="jobs", codename=WRITES),
        )


class Migration(migrations.Migration):
    dependencies = [("songs", "0007_roles"), ("jobs", "0026_hand_over")]

    operations = [migrations.RunPython(let_operators_write, migrations.RunPython.noop)]
