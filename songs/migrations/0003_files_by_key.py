from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("songs", "0002_the_ledger_keeps_who")]

    operations = [
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["s3_key"], name="songs_song_audio"),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["thumbnail_s3_key"], name="songs_song_cover"),
        ),
    ]
