"""The product's tables, with their indexes and constraints, table by table, and three groups."""

from uuid import uuid4

from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import UserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models
from django.db.models.functions import Now
from django.utils import timezone

from jobs.api import new_id

ENTRY_KINDS = [
    ("welcome", "Welcome credits"),
    ("grant", "Granted by an operator"),
    ("charge", "Song"),
    ("waived", "Song, waived: the balance was empty"),
    ("refund", "Refund"),
    ("purchase", "Bought"),
    ("closed", "Account closed: the rest was taken back"),
]

# The groups that a new database gets, with their permissions (see docs/rights.md).
SEES = ["jobs.view_run", "jobs.view_event", "jobs.view_registeredfunction", "jobs.view_cluster"]
GROUPS = {
    "Viewers": SEES,
    "Operators": [
        *SEES,
        *("jobs.view_payload", "jobs.rerun_run", "jobs.edit_run", "jobs.cancel_run"),
        *("jobs.deal_with_run", "jobs.pause_registeredfunction", "jobs.send_event"),
        *("jobs.add_handovernote", "admin.view_logentry"),
        *("songs.view_limit", "songs.change_limit", "songs.view_limitcount"),
    ],
    "Support": [
        *("jobs.view_run", "jobs.view_event", "jobs.view_payload"),
        *("songs.view_user", "songs.change_user", "songs.grant_credits", "songs.view_creditentry"),
        *("songs.view_song", "songs.listen_song", "songs.make_again_song", "songs.view_category"),
        *("songs.view_publication", "songs.take_down_song"),
    ],
}


def make_groups(apps, schema_editor=None):
    """Make the groups that are not there. One that exists stays as it is.

    Django makes the rows of permissions after all migrations. A group needs them now, so they are
    made here; Django leaves alone what is there.
    """
    for label in ("jobs", "songs"):
        make_permissions(apps, label)
    make_permission_for_the_audit_log(apps)
    permissions = apps.get_model("auth", "Permission").objects
    for name, wanted in GROUPS.items():
        group, is_new = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        for permission in wanted if is_new else ():
            label, codename = permission.split(".")
            group.permissions.add(permissions.get(content_type__app_label=label, codename=codename))


def make_permissions(apps, label):
    config = apps.get_app_config(label)
    # The app of a migration's models has no module, and the function would pass it over.
    config.models_module = getattr(config, "models_module", None) or True
    create_permissions(config, verbosity=0, apps=apps)


def make_permission_for_the_audit_log(apps):
    """As Django will look for it: its own table of the log comes after this migration, for the log
    names accounts."""
    log, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="admin", model="logentry"
    )
    apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=log, codename="view_logentry", defaults={"name": "Can view log entry"}
    )


def serial_id():
    return (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    )


def uuid_id():
    return (
        "id",
        models.UUIDField(default=new_id, editable=False, primary_key=True, serialize=False),
    )


def index_beginnings(column):
    """For the panel, which finds an account by the beginning of a name or of an e-mail address, in
    either case of letters: `UPPER(username) LIKE 'ALI%'`. In most collations only this operator
    class serves it."""
    return migrations.RunSQL(
        f"CREATE INDEX songs_user_{column}_prefix ON songs_user (upper({column}) text_pattern_ops)",
        f"DROP INDEX songs_user_{column}_prefix",
    )


class Migration(migrations.Migration):
    initial = True

    # All names that this file has replaced, so that a database that has them goes on (see
    # docs/deployment.md, “Upgrading”). A later migration must not take one of these names: Django
    # would take it for replaced.
    replaces = [
        ("songs", "0002_the_ledger_keeps_who"),
        ("songs", "0003_files_by_key"),
        ("songs", "0004_one_charge_a_wish"),
        ("songs", "0005_balances_and_their_check"),
        ("songs", "0006_running_balances"),
        ("songs", "0007_roles"),
        ("songs", "0008_operators_do_more"),
        ("songs", "0009_accounts_of_allauth"),
        ("songs", "0010_addresses_of_accounts"),
        ("songs", "0011_limits"),
        ("songs", "0012_leaving"),
        ("songs", "0013_what_a_listener_can_do"),
        ("songs", "0015_publications"),
        ("songs", "0016_support_takes_songs_down"),
        ("songs", "0017_without_failed_sign_ins"),
        ("songs", "0018_what_refused"),
        ("songs", "0019_files_of_songs_that_were_not_made"),
    ]

    # Neither admin nor django-allauth: their first migrations wait for the accounts of this one.
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("jobs", "0001_initial"),
    ]

    operations = [
        # A category of songs.
        migrations.CreateModel(
            name="Category",
            fields=[
                serial_id(),
                ("name", models.CharField(max_length=40)),
                ("folded", models.CharField(editable=False, max_length=80, unique=True)),
                ("published", models.IntegerField(db_default=0, editable=False)),
            ],
            options={
                "verbose_name_plural": "categories",
                "ordering": ["folded"],
                "indexes": [
                    models.Index(
                        condition=models.Q(published__gt=0),
                        fields=["-published"],
                        name="songs_category_published",
                    )
                ],
            },
        ),
        # An account of a listener or an operator. `credits` is the sum of its ledger.
        migrations.CreateModel(
            name="User",
            fields=[
                serial_id(),
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
                        validators=[UnicodeUsernameValidator()],
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
                    models.DateTimeField(default=timezone.now, verbose_name="date joined"),
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
                "indexes": [
                    models.Index(fields=["-credits", "-id"], name="songs_user_balance"),
                    models.Index(
                        condition=models.Q(is_staff=True), fields=["-id"], name="songs_user_staff"
                    ),
                    models.Index(fields=["email"], name="songs_user_email"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(credits__gte=0), name="songs_user_credits_not_negative"
                    )
                ],
            },
            managers=[("objects", UserManager())],
        ),
        index_beginnings("username"),
        index_beginnings("email"),
        # The same rows, as the panel's page of balances shows them.
        migrations.CreateModel(
            name="CreditBalance",
            fields=[],
            options={
                "verbose_name": "credit balance",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("songs.user",),
            managers=[("objects", UserManager())],
        ),
        # A keyed hash of an address whose account got the welcome credits.
        migrations.CreateModel(
            name="WelcomedAddress",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={"default_permissions": ()},
        ),
        # A listener's wish and, once the song is made, the keys of its files.
        migrations.CreateModel(
            name="Song",
            fields=[
                uuid_id(),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="songs", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("title", models.CharField(blank=True, default="", max_length=80)),
                (
                    "full_described_song",
                    models.TextField(
                        blank=True, default="", max_length=2000, verbose_name="description"
                    ),
                ),
                (
                    "prompt",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=300,
                        verbose_name="style tags",
                    ),
                ),
                (
                    "lyrics",
                    models.TextField(blank=True, db_default="", default="", max_length=3000),
                ),
                (
                    "described_lyrics",
                    models.TextField(blank=True, db_default="", default="", max_length=2000),
                ),
                (
                    "guidance_scale",
                    models.FloatField(
                        default=15.0, validators=[MinValueValidator(0.0), MaxValueValidator(30.0)]
                    ),
                ),
                (
                    "audio_duration",
                    models.FloatField(
                        default=60.0,
                        validators=[MinValueValidator(10.0), MaxValueValidator(240.0)],
                        verbose_name="duration in seconds",
                    ),
                ),
                ("instrumental", models.BooleanField(default=False)),
                ("seed", models.BigIntegerField(validators=[MinValueValidator(0)])),
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
                (
                    "removed_files",
                    models.JSONField(
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        editable=False,
                    ),
                ),
                ("peaks", models.BinaryField(null=True)),
                ("wish", models.UUIDField(editable=False, null=True)),
                ("form_token", models.UUIDField(default=uuid4, editable=False)),
                ("event_id", models.UUIDField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "categories",
                    models.ManyToManyField(blank=True, related_name="songs", to="songs.category"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("listen_song", "Can listen to the songs of listeners"),
                    ("make_again_song", "Can have a song made again for its listener"),
                ],
                "indexes": [
                    models.Index(fields=["owner", "-created_at", "-id"], name="songs_song_library"),
                    models.Index(fields=["event_id"], name="songs_song_event"),
                    models.Index(fields=["s3_key"], name="songs_song_audio"),
                    models.Index(fields=["thumbnail_s3_key"], name="songs_song_cover"),
                    models.Index(
                        condition=models.Q(status__in=["queued", "processing"]),
                        fields=["owner"],
                        name="songs_song_making",
                    ),
                    models.Index(
                        condition=models.Q(status="processed"),
                        fields=["-finished_at"],
                        name="songs_song_newest",
                    ),
                    models.Index(
                        condition=models.Q(peaks=None, status="processed"),
                        fields=["-id"],
                        name="songs_song_undrawn",
                    ),
                    models.Index(
                        condition=models.Q(deleted_at__isnull=False),
                        fields=["owner", "-deleted_at"],
                        name="songs_song_deleted",
                    ),
                    models.Index(
                        condition=models.Q(status__in=["failed", "no credits", "cancelled"]),
                        fields=["status", "-id"],
                        name="songs_song_unsuccessful",
                    ),
                    GinIndex(SearchVector("title", config="simple"), name="songs_song_words"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "form_token"), name="songs_song_one_a_form"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(guidance_scale__range=(0.0, 30.0)),
                        name="songs_song_guidance_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(audio_duration__range=(10.0, 240.0)),
                        name="songs_song_duration_range",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(status="processed") | ~models.Q(s3_key=""),
                        name="songs_song_processed_has_audio",
                    ),
                ],
            },
        ),
        # One entry of the ledger.
        migrations.CreateModel(
            name="CreditEntry",
            fields=[
                serial_id(),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.PROTECT,
                        related_name="credit_entries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("former", models.UUIDField(blank=True, editable=False, null=True)),
                ("amount", models.IntegerField()),
                ("balance", models.IntegerField(blank=True, null=True)),
                ("kind", models.CharField(choices=ENTRY_KINDS, max_length=16)),
                (
                    "why",
                    models.CharField(blank=True, default="", max_length=300, verbose_name="reason"),
                ),
                (
                    "song",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="credit_entries",
                        to="songs.song",
                    ),
                ),
                ("wish", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "payment",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=200
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.PROTECT,
                        related_name="entries_made",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "verbose_name_plural": "credit entries",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["user", "-id"], name="songs_creditentry_ledger"),
                    models.Index(
                        fields=["at"], include=("kind", "amount"), name="songs_creditentry_span"
                    ),
                    models.Index(fields=["kind", "-id"], name="songs_creditentry_kind"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(kind__in=["charge", "waived"]),
                        fields=("song",),
                        name="songs_creditentry_one_charge_a_song",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(kind__in=["charge", "waived"]),
                        fields=("wish",),
                        name="songs_creditentry_one_charge_a_wish",
                    ),
                    models.UniqueConstraint(
                        condition=~models.Q(payment=""),
                        fields=("payment",),
                        name="songs_creditentry_one_a_payment",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(kind="waived") | models.Q(amount=0),
                        name="songs_creditentry_waived_is_nothing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(user__isnull=False) | models.Q(former__isnull=False),
                        name="songs_creditentry_has_an_account",
                    ),
                ],
            },
        ),
        # What one look at the whole ledger found.
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                serial_id(),
                ("checked_at", models.DateTimeField(db_default=Now())),
                ("entries", models.BigIntegerField()),
                ("booked", models.BigIntegerField()),
                ("outstanding", models.BigIntegerField()),
                ("holders", models.BigIntegerField()),
                ("wrong", models.BigIntegerField()),
                ("examples", ArrayField(base_field=models.BigIntegerField(), default=list)),
            ],
            options={"ordering": ["-id"], "default_permissions": ()},
        ),
        # The entries of one kind in one hour.
        migrations.CreateModel(
            name="LedgerHour",
            fields=[
                serial_id(),
                ("hour", models.DateTimeField()),
                ("kind", models.CharField(choices=ENTRY_KINDS, max_length=16)),
                ("entries", models.BigIntegerField()),
                ("amount", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "kind"), name="songs_ledgerhour_one_a_kind"
                    )
                ],
            },
        ),
        # A song that its listener has published.
        migrations.CreateModel(
            name="Publication",
            fields=[
                (
                    "song",
                    models.OneToOneField(
                        on_delete=models.CASCADE,
                        primary_key=True,
                        related_name="publication",
                        serialize=False,
                        to="songs.song",
                    ),
                ),
                (
                    "byline",
                    models.CharField(
                        blank=True, default="", max_length=60, verbose_name="name shown with it"
                    ),
                ),
                ("is_public", models.BooleanField(default=True)),
                ("published_at", models.DateTimeField(db_default=Now())),
                ("likes", models.IntegerField(default=0)),
                ("plays", models.IntegerField(default=0)),
                ("heat", models.FloatField()),
                (
                    "reported_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last reported"),
                ),
                ("taken_down_at", models.DateTimeField(blank=True, null=True)),
                (
                    "taken_down_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("taken_down_why", models.CharField(blank=True, default="", max_length=300)),
            ],
            options={
                "verbose_name": "published song",
                "ordering": ["-published_at"],
                "permissions": [
                    ("take_down_song", "Can take down published songs, and put them back")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(reported_at__isnull=False),
                        fields=["-reported_at"],
                        name="songs_publication_reported",
                    ),
                    models.Index(
                        condition=models.Q(taken_down_at__isnull=False),
                        fields=["-taken_down_at"],
                        name="songs_publication_taken_down",
                    ),
                    models.Index(fields=["-published_at"], name="songs_publication_newest"),
                ],
            },
        ),
        # A place of a public song in the lists: of all songs, or of a category.
        migrations.CreateModel(
            name="Listing",
            fields=[
                serial_id(),
                (
                    "publication",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="listings",
                        to="songs.publication",
                    ),
                ),
                (
                    "category",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=models.CASCADE,
                        related_name="listings",
                        to="songs.category",
                    ),
                ),
                ("published_at", models.DateTimeField()),
                ("heat", models.FloatField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(category__isnull=True),
                        fields=["-heat", "-publication"],
                        name="songs_listing_liked",
                    ),
                    models.Index(
                        condition=models.Q(category__isnull=True),
                        fields=["-published_at", "-publication"],
                        name="songs_listing_newest",
                    ),
                    models.Index(
                        condition=models.Q(category__isnull=False),
                        fields=["category", "-heat", "-publication"],
                        name="songs_listing_category_liked",
                    ),
                    models.Index(
                        condition=models.Q(category__isnull=False),
                        fields=["category", "-published_at", "-publication"],
                        name="songs_listing_category_newest",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("publication", "category"), name="songs_listing_one_a_category"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(category__isnull=True),
                        fields=("publication",),
                        name="songs_listing_one_among_all",
                    ),
                ],
            },
        ),
        # A listener likes a song, once.
        migrations.CreateModel(
            name="Like",
            fields=[
                serial_id(),
                (
                    "publication",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="liked_by",
                        to="songs.publication",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="likes", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("publication", "user"), name="songs_like_one_a_listener"
                    )
                ],
            },
        ),
        # When a hearer's play of a song was last counted.
        migrations.CreateModel(
            name="Play",
            fields=[
                serial_id(),
                (
                    "publication",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="played_by",
                        to="songs.publication",
                    ),
                ),
                ("hearer", models.CharField(max_length=40)),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="songs_play_old")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("publication", "hearer"), name="songs_play_one_a_hearer"
                    )
                ],
            },
        ),
        # A change of a song's counts that the next tally adds to its row.
        migrations.CreateModel(
            name="CountChange",
            fields=[
                serial_id(),
                ("song_id", models.UUIDField()),
                ("likes", models.SmallIntegerField(default=0)),
                ("plays", models.SmallIntegerField(default=0)),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["song_id"],
                        include=("likes", "plays"),
                        name="songs_countchange_song",
                    )
                ],
            },
        ),
        # A hearer says that a published song should not be here, once a song.
        migrations.CreateModel(
            name="Report",
            fields=[
                serial_id(),
                (
                    "publication",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="reports",
                        to="songs.publication",
                    ),
                ),
                ("hearer", models.CharField(max_length=40)),
                (
                    "reporter",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.CASCADE,
                        related_name="reports",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("copy", "It copies another work"),
                            ("hate", "It insults or threatens people"),
                            ("sexual", "It is sexual or violent"),
                            ("private", "It tells private things about a person"),
                            ("spam", "It is advertising"),
                            ("other", "Something else"),
                        ],
                        max_length=16,
                    ),
                ),
                ("words", models.CharField(blank=True, default="", max_length=500)),
                ("at", models.DateTimeField(db_default=Now())),
                ("dealt_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(dealt_at__isnull=True),
                        fields=["publication"],
                        name="songs_report_open",
                    ),
                    models.Index(fields=["hearer", "at"], name="songs_report_limit"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("publication", "hearer"), name="songs_report_one_a_hearer"
                    )
                ],
            },
        ),
        # A ZIP of all that a listener has.
        migrations.CreateModel(
            name="Download",
            fields=[
                uuid_id(),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=models.CASCADE,
                        related_name="downloads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("making", "Being packed"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("done", models.IntegerField(default=0)),
                ("total", models.IntegerField(default=0)),
                ("size", models.BigIntegerField(null=True)),
                ("event_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("ready_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(expires_at__isnull=False),
                        fields=["expires_at"],
                        name="songs_download_expiry",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(status__in=["queued", "making"]),
                        fields=("owner",),
                        name="songs_download_one_at_a_time",
                    )
                ],
            },
        ),
        # A limit by its name, as operators set it. The rows are made after each migration.
        migrations.CreateModel(
            name="Limit",
            fields=[
                serial_id(),
                ("name", models.CharField(max_length=32, unique=True)),
                ("most", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={"ordering": ["name"], "default_permissions": ("view", "change")},
        ),
        # What a limit has counted and refused in one window.
        migrations.CreateModel(
            name="LimitCount",
            fields=[
                serial_id(),
                ("rule", models.CharField(max_length=32)),
                ("subject", models.CharField(max_length=64)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("most", models.IntegerField(null=True)),
                ("count", models.IntegerField()),
                ("refused", models.IntegerField()),
                ("refused_at", models.DateTimeField(null=True)),
                ("refused_count", models.IntegerField(null=True)),
                ("refused_most", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "refusal by a limit",
                "verbose_name_plural": "refusals by limits",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["ends_at"], name="songs_limitcount_ends"),
                    models.Index(
                        condition=models.Q(refused__gt=0),
                        fields=["-refused_at"],
                        name="songs_limitcount_refused",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("rule", "subject", "starts_at"),
                        name="songs_limitcount_one_a_window",
                    )
                ],
            },
        ),
        # The cache.
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("key", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("expires_at", models.DateTimeField(db_index=True, null=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
