from django.db import migrations, models
from django.db.models.functions import Coalesce, Lower


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0006_lines_by_the_databases_clock"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="fetch",
            index=models.Index(
                Lower(
                    Coalesce(
                        models.Func(
                            models.F("url"),
                            models.Value("//([^/?#]*)"),
                            function="SUBSTRING",
                            output_field=models.TextField(),
                        ),
                        models.Value(""),
                    )
                ),
                models.F("id"),
                condition=models.Q(("status", "pending")),
                name="jobs_fetch_waiting",
            ),
        ),
        migrations.RemoveIndex(
            model_name="fetch",
            name="jobs_fetch_pending",
        ),
    ]
