from django.db import migrations, models

# A queue's tables see several updates for each row and keep millions of rows that never change
# again. PostgreSQL's own settings (vacuum when a fifth of the table is dead) would let two million
# dead versions of ten million runs pile up where workers look for the few that are due.
SETTINGS = {
    # A run is updated at each claim, commit and end. Room on its page lets those updates that
    # change no indexed column (how far it has come) stay there and leave the indexes alone; dead
    # entries at the front of the indexes of due and leased runs are what vacuum is here for.
    "jobs_run": {
        "fillfactor": 85,
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 1000,
        "autovacuum_analyze_scale_factor": 0.02,
    },
    # A step that waits or is tried again is updated, and no index covers what changes of it.
    "jobs_step": {
        "fillfactor": 90,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_threshold": 1000,
    },
    # Pending, sending, answered: each changes an index; the row is wide (body and answer), so
    # room on its page would be large and of no use.
    "jobs_fetch": {
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 500,
    },
    # Written once and deleted by the retention: frozen as they come rather than all at one time.
    "jobs_attempt": {
        "autovacuum_vacuum_scale_factor": 0.05,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
    },
    "jobs_logline": {
        "autovacuum_vacuum_scale_factor": 0.05,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
    },
    "jobs_event": {
        "autovacuum_vacuum_scale_factor": 0.05,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
    },
}


def set_storage(table: str, settings: dict[str, float]) -> migrations.RunSQL:
    values = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({values})",
        f"ALTER TABLE {table} RESET ({', '.join(settings)})",
    )


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="CronSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("cron", models.CharField(max_length=255)),
                ("next_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={"ordering": ["fn_id", "cron"]},
        ),
        migrations.AddConstraint(
            model_name="cronschedule",
            constraint=models.UniqueConstraint(
                fields=("fn_id", "cron"), name="jobs_cronschedule_once"
            ),
        ),
        # "It has a second line" in the words in which the turn-keeper asks for that line: the
        # planner takes a partial index only for a question from which the condition follows.
        migrations.RemoveIndex(model_name="run", name="jobs_run_line_2"),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                models.F("turn_keys__1"),
                models.F("turns_held"),
                models.F("id"),
                condition=models.Q(
                    ("status__in", ["queued", "running", "waiting"]),
                    ("turn_keys__1__isnull", False),
                ),
                name="jobs_run_line_2",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                fields=["ended_at"],
                condition=models.Q(("ended_at__isnull", False)),
                name="jobs_run_ended_at",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["name", "received_at", "id"], name="jobs_event_awaited"),
        ),
        *(set_storage(table, settings) for table, settings in SETTINGS.items()),
    ]
