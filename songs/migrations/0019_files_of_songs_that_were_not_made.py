"""Files of replies that were removed because the song had not used them (see songs/unmade.py)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("songs", "0018_what_refused")]

    operations = [
        migrations.AddField(
            model_name="song",
            name="removed_files",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()), default=list, editable=False
            ),
        ),
    ]
