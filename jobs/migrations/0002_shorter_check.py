"""The check of a run's row in fewer words, which PostgreSQL reads anew with each statement. Rows that
are there are checked by the next migration, which locks out no worker.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.lookups import Exact, IsNull


def texts(*texts):
    return models.Value(list(texts), output_field=ArrayField(models.TextField()))


STATUSES_OF_ROW = models.Case(
    models.When(ended_at__isnull=True, then=texts("queued", "running", "waiting")),
    models.When(due_at__isnull=True, then=texts("completed", "failed", "cancelled", "skipped")),
    default=texts(),
)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("run", "jobs_run_whole"),
        AddConstraintNotValid(
            "run",
            models.CheckConstraint(
                name="jobs_run_whole",
                condition=models.Q(
                    Exact(
                        IsNull(models.F("lease_token"), True),
                        IsNull(models.F("lease_until"), True),
                    ),
                    models.Func(
                        models.F("status"),
                        STATUSES_OF_ROW,
                        template="%(expressions)s)",
                        arg_joiner=" = ANY (",
                        output_field=models.BooleanField(),
                    ),
                ),
            ),
        ),
    ]
