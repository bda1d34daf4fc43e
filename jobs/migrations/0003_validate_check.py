from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_shorter_check")]

    operations = [ValidateConstraint("run", "jobs_run_whole")]
