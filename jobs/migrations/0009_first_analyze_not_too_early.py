from django.db import migrations

# A plan that PostgreSQL has made for a handful of rows reads the whole table, and a prepared
# statement keeps it until the table is analyzed again. A table that was never analyzed is planned
# for as if it had ten pages, so the first look is best taken when it has them.
TABLES = ["jobs_event", "jobs_run", "jobs_step", "jobs_fetch"]


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_slimmer_run_indexes")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (autovacuum_analyze_threshold = 2000)",
            f"ALTER TABLE {table} RESET (autovacuum_analyze_threshold)",
        )
        for table in TABLES
    ]
