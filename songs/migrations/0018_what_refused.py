"""Keep with a refusal the limit that refused, and what had reached it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("songs", "0017_without_failed_sign_ins")]

    operations = [
        migrations.AddField(
            model_name="limitcount", name="refused_count", field=models.IntegerField(null=True)
        ),
        migrations.AddField(
            model_name="limitcount", name="refused_most", field=models.IntegerField(null=True)
        ),
    ]
