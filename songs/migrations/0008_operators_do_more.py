"""Operators may write the note for the next shift, send events and start functions by hand. A group
that was changed stays as it is."""

from importlib import import_module

from django.db import migrations

MORE = ("add_handovernote", "send_event")
roles = import_module("songs.migrations.0007_roles")


def let_operators_do_more(apps, schema_editor=None):
    roles.make_permissions(apps, "jobs")
    group = apps.get_model("auth", "Group").objects.filter(name="Operators").first()
    made = {codename for listed in roles.GROUPS["Operators"].values() for codename in listed}
    if group and set(group.permissions.values_list("codename", flat=True)) == made:
        permissions = apps.get_model("auth", "Permission").objects
        group.permissions.add(
            *permissions.filter(content_type__app_label="jobs", codename__in=MORE)
        )


class Migration(migrations.Migration):
    dependencies = [("songs", "0007_roles"), ("jobs", "0001_initial")]

    operations = [migrations.RunPython(let_operators_do_more, migrations.RunPython.noop)]
