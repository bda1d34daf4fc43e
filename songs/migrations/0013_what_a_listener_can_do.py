"""Other ways to ask for a song, its waveform, its start, its deletion with undo; purchases."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("songs", "0012_leaving"),
    ]

    operations = [
        migrations.AddField(
            model_name="creditentry",
            name="payment",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=200
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="deleted_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="song",
            name="described_lyrics",
            field=models.TextField(blank=True, db_default="", default="", max_length=2000),
        ),
        migrations.AddField(
            model_name="song",
            name="lyrics",
            field=models.TextField(blank=True, db_default="", default="", max_length=3000),
        ),
        migrations.AddField(
            model_name="song",
            name="peaks",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="song",
            name="prompt",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=300, verbose_name="style tags"
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="started_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="creditentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("welcome", "Welcome credits"),
                    ("grant", "Granted by an operator"),
                    ("charge", "Song"),
                    ("waived", "Song, waived: the balance was empty"),
                    ("refund", "Refund"),
                    ("purchase", "Bought"),
                    ("closed", "Account closed: the rest was taken back"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="ledgerhour",
            name="kind",
            field=models.CharField(
                choices=[
                    ("welcome", "Welcome credits"),
                    ("grant", "Granted by an operator"),
                    ("charge", "Song"),
                    ("waived", "Song, waived: the balance was empty"),
                    ("refund", "Refund"),
                    ("purchase", "Bought"),
                    ("closed", "Account closed: the rest was taken back"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="song",
            name="full_described_song",
            field=models.TextField(
                blank=True, default="", max_length=2000, verbose_name="description"
            ),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("peaks", None), ("status", "processed")),
                fields=["-id"],
                name="songs_song_undrawn",
            ),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["owner", "-deleted_at"],
                name="songs_song_deleted",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment", ""), _negated=True),
                fields=("payment",),
                name="songs_creditentry_one_a_payment",
            ),
        ),
    ]
