"""Support may see published songs and their reports, and take songs down. A group from which a
permission was taken stays as it is."""

from importlib import import_module

from django.db import migrations

MORE = ("view_publication", "take_down_song")
roles = import_module("songs.migrations.0007_roles")


def let_support_take_down(apps, schema_editor=None):
    roles.make_permissions(apps, "songs")
    group = apps.get_model("auth", "Group").objects.filter(name="Support").first()
    made = {codename for listed in roles.GROUPS["Support"].values() for codename in listed}
    if group and made <= set(group.permissions.values_list("codename", flat=True)):
        permissions = apps.get_model("auth", "Permission").objects
        group.permissions.add(
            *permissions.filter(content_type__app_label="songs", codename__in=MORE)
        )


class Migration(migrations.Migration):
    dependencies = [("songs", "0015_publications")]

    operations = [migrations.RunPython(let_support_take_down, migrations.RunPython.noop)]
