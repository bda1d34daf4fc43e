"""Limits, what they counted and refused. Operators may see and change them; a group that was changed
stays as it is."""

from importlib import import_module

from django.db import migrations, models

MORE = ("view_limit", "change_limit", "view_limitcount")
roles = import_module("songs.migrations.0007_roles")
do_more = import_module("songs.migrations.0008_operators_do_more")


def let_operators_set_limits(apps, schema_editor=None):
    roles.make_permissions(apps, "songs")
    group = apps.get_model("auth", "Group").objects.filter(name="Operators").first()
    made = {codename for listed in roles.GROUPS["Operators"].values() for codename in listed}
    made |= set(do_more.MORE)
    if group and set(group.permissions.values_list("codename", flat=True)) == made:
        permissions = apps.get_model("auth", "Permission").objects
        group.permissions.add(
            *permissions.filter(content_type__app_label="songs", codename__in=MORE)
        )


class Migration(migrations.Migration):
    dependencies = [("songs", "0010_addresses_of_accounts")]

    operations = [
        migrations.CreateModel(
            name="Limit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=32, unique=True)),
                ("most", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={"ordering": ["name"], "default_permissions": ("view", "change")},
        ),
        migrations.CreateModel(
            name="LimitCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rule", models.CharField(max_length=32)),
                ("subject", models.CharField(max_length=64)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("most", models.IntegerField(null=True)),
                ("count", models.IntegerField()),
                ("refused", models.IntegerField()),
                ("refused_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "refusal by a limit",
                "verbose_name_plural": "refusals by limits",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["ends_at"], name="songs_limitcount_ends"),
                    models.Index(
                        fields=["-refused_at"],
                        name="songs_limitcount_refused",
                        condition=models.Q(("refused__gt", 0)),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("rule", "subject", "starts_at"),
                        name="songs_limitcount_one_a_window",
                    )
                ],
            },
        ),
        migrations.RunPython(let_operators_set_limits, migrations.RunPython.noop),
    ]
