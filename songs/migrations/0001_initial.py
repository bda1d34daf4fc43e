"""The product's tables, with their indexes and constraints, table by table."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import jobs.ids
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("songs", "0002_the_ledger_keeps_who"),
        ("songs", "0003_files_by_key"),
        ("songs", "0004_one_charge_a_wish"),
    ]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40)),
                ("folded", models.CharField(editable=False, max_length=80, unique=True)),
            ],
            options={
                "verbose_name_plural": "categories",
                "ordering": ["folded"],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
                ("credits", models.IntegerField(default=0, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "permissions": [("grant_credits", "Can grant and take back credits")],
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("credits__gte", 0)), name="songs_user_credits_not_negative"
            ),
        ),
        migrations.CreateModel(
            name="SignInFailure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("username", models.CharField(max_length=150)),
                ("address", models.CharField(max_length=64)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["username", "address", "at"], name="songs_signinfailure_who"
                    ),
                    models.Index(fields=["at"], name="songs_signinfailure_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Song",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("title", models.CharField(blank=True, default="", max_length=80)),
                (
                    "full_described_song",
                    models.TextField(max_length=2000, verbose_name="description"),
                ),
                (
                    "guidance_scale",
                    models.FloatField(
                        default=15.0,
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(30.0),
                        ],
                    ),
                ),
                (
                    "audio_duration",
                    models.FloatField(
                        default=60.0,
                        validators=[
                            django.core.validators.MinValueValidator(10.0),
                            django.core.validators.MaxValueValidator(240.0),
                        ],
                        verbose_name="duration in seconds",
                    ),
                ),
                ("instrumental", models.BooleanField(default=False)),
                (
                    "seed",
                    models.BigIntegerField(
                        validators=[django.core.validators.MinValueValidator(0)]
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("processing", "Being made"),
                            ("processed", "Ready"),
                            ("failed", "Failed"),
                            ("no credits", "No credits"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=300,
                        verbose_name="reason shown to the listener",
                    ),
                ),
                (
                    "s3_key",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="audio key"
                    ),
                ),
                (
                    "thumbnail_s3_key",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="cover key"
                    ),
                ),
                ("form_token", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("event_id", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("wish", models.UUIDField(editable=False, null=True)),
                (
                    "categories",
                    models.ManyToManyField(blank=True, related_name="songs", to="songs.category"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="songs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["owner", "-created_at", "-id"], name="songs_song_library"),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["event_id"], name="songs_song_event"),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "processing"])),
                fields=["owner"],
                name="songs_song_making",
            ),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("status", "processed")),
                fields=["-finished_at"],
                name="songs_song_newest",
            ),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["s3_key"], name="songs_song_audio"),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["thumbnail_s3_key"], name="songs_song_cover"),
        ),
        migrations.AddConstraint(
            model_name="song",
            constraint=models.UniqueConstraint(
                fields=("owner", "form_token"), name="songs_song_one_a_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="song",
            constraint=models.CheckConstraint(
                condition=models.Q(("guidance_scale__range", (0.0, 30.0))),
                name="songs_song_guidance_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="song",
            constraint=models.CheckConstraint(
                condition=models.Q(("audio_duration__range", (10.0, 240.0))),
                name="songs_song_duration_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="song",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "processed"), _negated=True),
                    models.Q(("s3_key", ""), _negated=True),
                    _connector="OR",
                ),
                name="songs_song_processed_has_audio",
            ),
        ),
        migrations.CreateModel(
            name="CreditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("amount", models.IntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("welcome", "Welcome credits"),
                            ("grant", "Granted by an operator"),
                            ("charge", "Song"),
                            ("waived", "Song, waived: the balance was empty"),
                            ("refund", "Refund"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "why",
                    models.CharField(blank=True, default="", max_length=300, verbose_name="reason"),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("wish", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries_made",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="credit_entries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "song",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="credit_entries",
                        to="songs.song",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "credit entries",
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="creditentry",
            index=models.Index(fields=["user", "-id"], name="songs_creditentry_ledger"),
        ),
        migrations.AddConstraint(
            model_name="creditentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["charge", "waived"])),
                fields=("song",),
                name="songs_creditentry_one_charge_a_song",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "waived"), _negated=True), ("amount", 0), _connector="OR"
                ),
                name="songs_creditentry_waived_is_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["charge", "waived"])),
                fields=("wish",),
                name="songs_creditentry_one_charge_a_wish",
            ),
        ),
    ]
