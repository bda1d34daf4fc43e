"""Three groups: Viewers, Operators, Support.

Django makes the rows of permissions after all migrations. A group needs them now, so they are made
here by the same function, which leaves alone what is there. A group that exists is not changed.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEES = ["view_run", "view_event", "view_registeredfunction", "view_cluster"]
GROUPS = {
    "Viewers": {"jobs": SEES},
    "Operators": {
        "jobs": [
            *SEES,
            *("view_payload", "rerun_run", "edit_run", "cancel_run", "deal_with_run"),
            "pause_registeredfunction",
        ],
        "admin": ["view_logentry"],
    },
    "Support": {
        "jobs": ["view_run", "view_event", "view_payload"],
        "songs": [
            *("view_user", "change_user", "grant_credits", "view_creditentry"),
            *("view_song", "listen_song", "make_again_song", "view_category"),
        ],
    },
}


def make_groups(apps, schema_editor=None):
    for label in ("admin", "jobs", "songs"):
        make_permissions(apps, label)
    permissions = apps.get_model("auth", "Permission").objects
    for name, wanted in GROUPS.items():
        group, is_new = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        for label, codenames in wanted.items() if is_new else ():
            found = permissions.filter(content_type__app_label=label, codename__in=codenames)
            group.permissions.add(*found)


def make_permissions(apps, label):
    config = apps.get_app_config(label)
    # The app of a migration's models has none, and the function would pass it over.
    is_stub = getattr(config, "models_module", None) is None
    if is_stub:
        config.models_module = True
    create_permissions(config, verbosity=0, apps=apps)
    if is_stub:
        config.models_module = None


class Migration(migrations.Migration):
    dependencies = [
        ("songs", "0006_running_balances"),
        ("jobs", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
