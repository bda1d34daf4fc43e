"""The settings of the site and of its clusters.

If no variable is set, the configuration is for development: an embedded PostgreSQL, the local
studio, debug pages. `DATABASE_URL` makes it production's, unless `DEBUG` is set too.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from melodymaker import embedded, production
from melodymaker.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = BASE_DIR / ".local"
env = Environment(BASE_DIR / ".env")

# --- the site ---------------------------------------------------------------------------------

EMBEDDED_DATABASE = not env.text("DATABASE_URL")  # no setting holds the URL, for its password
DEBUG = env.flag("DEBUG", default=EMBEDDED_DATABASE)
SECRET_KEY = env.text("SECRET_KEY", default=production.DEVELOPMENT_KEY if DEBUG else "")
if not SECRET_KEY:
    SECRET_KEY = secrets.token_urlsafe(50)
    env.problems.append("SECRET_KEY: missing. Production needs a secret of at least 50 characters.")
elif not DEBUG:
    env.problems.extend(production.weak_key(SECRET_KEY))

PORT = env.port("PORT", 8000)
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", default=[])
if not DEBUG and not env.text("ALLOWED_HOSTS"):
    env.problems.append("ALLOWED_HOSTS: missing. Name the site's hosts, separated by commas.")

# --- apps, middleware, templates --------------------------------------------------------------

INSTALLED_APPS = [
    "melodymaker",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "songs",
    "jobs",
    "django_q",
    "django_htmx",
    "jobs.apps.PanelConfig",  # django.contrib.admin, with Operations as its first page
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.sitemaps",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "melodymaker.middleware.content_security_policy",
    "melodymaker.middleware.head_without_body",
    "melodymaker.middleware.method_not_allowed",
    "melodymaker.screening.bounded_bodies",
    "melodymaker.screening.no_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "melodymaker.middleware.database_away",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "melodymaker.middleware.kept_by_no_browser",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "songs.accounts.ended_sessions.leads_to_a_page",
    "allauth.account.middleware.AccountMiddleware",
    "songs.accounts.refusals.AnswersToForms",
    "songs.accounts.second_factor.asks_staff",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "melodymaker.zones.local_zone",
    "songs.middleware.account_gone",
]
ROOT_URLCONF = "melodymaker.urls"
WSGI_APPLICATION = "melodymaker.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the database: PostgreSQL and only PostgreSQL -----------------------------------------------

# A machine that loses its power does not close its connections. With TCP keepalives on both sides
# its row locks last a minute; by the system's default they would last two hours. `options` makes
# the server send keepalives too; it is left out behind a pool, which would refuse the connection.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
USER_TIMEOUT = 60_000  # ms that sent data may stay unacknowledged
# A process that is killed does close its connection, but the server goes on with its statement, and
# keeps the locks, until it has something to say. It looks this often.
LOOK_FOR_CLIENT = 5_000  # ms
SERVER_SIDE = {f"tcp_{name}": value for name, value in KEEPALIVE.items()} | {
    "tcp_user_timeout": USER_TIMEOUT,
    "client_connection_check_interval": LOOK_FOR_CLIENT,
}


def _database(given: dict[str, Any]) -> dict[str, Any]:
    """What a URL says, and what it leaves open."""
    is_pooled = given.get("DISABLE_SERVER_SIDE_CURSORS", False)
    asked = {} if is_pooled else SERVER_SIDE
    options = {
        "connect_timeout": 5,
        "application_name": "melodymaker",
        **KEEPALIVE,
        "tcp_user_timeout": USER_TIMEOUT,
        "options": " ".join(f"-c {name}={value}" for name, value in asked.items()),
        **given.get("OPTIONS", {}),  # from the query string of the URL
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        **given,
        "OPTIONS": options,
    }


DATABASES: dict[str, dict[str, Any]] = {
    "default": _database(env.database("DATABASE_URL", default=embedded.connection(BASE_DIR)))
}
if not DEBUG and not EMBEDDED_DATABASE:
    env.problems.extend(production.plain_database("DATABASE_URL", DATABASES["default"]))
# A direct connection to the same database, for clusters whose others go through a pool.
LISTEN_DATABASE = env.database("DATABASE_LISTEN_URL", default={})
if LISTEN_DATABASE and not DEBUG:
    env.problems.extend(production.plain_database("DATABASE_LISTEN_URL", LISTEN_DATABASE))
if LISTEN_DATABASE:
    DATABASES["listen"] = _database(LISTEN_DATABASE) | {"TEST": {"MIRROR": "default"}}

# --- accounts ---------------------------------------------------------------------------------

AUTH_USER_MODEL = "songs.User"
# The first checks passwords and permissions; the others decide for single objects.
AUTHENTICATION_BACKENDS = [
    "songs.accounts.backend.AccountBackend",
    "jobs.control.permissions.EngineBackend",
    "songs.permissions.SiteBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "songs"
LOGOUT_REDIRECT_URL = "account_login"
CSRF_FAILURE_VIEW = "songs.stale_pages.csrf_failure"
# Of an account, once its e-mail address is confirmed.
STARTING_CREDITS = env.whole("STARTING_CREDITS", 10, most=1_000_000)

# Production stays closed until its operator has decided.
SIGN_UP = env.one_of("SIGN_UP", ["open", "code", "closed"] if DEBUG else ["closed", "code", "open"])
SIGN_UP_SECRET = env.text("SIGN_UP_CODE")
if SIGN_UP == "code" and len(SIGN_UP_SECRET) < 12:
    env.problems.append(
        "SIGN_UP_CODE: SIGN_UP=code needs a code of at least 12 characters. You give it to those "
        "that may sign up."
    )
STAFF_SECOND_FACTOR = not DEBUG  # the panel opens to staff with a second factor alone

ACCOUNT_ADAPTER = "songs.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "songs.accounts.forms.SignInForm",
    "signup": "songs.accounts.forms.SignUpForm",
    "add_email": "songs.accounts.forms.AddressForm",
    "reset_password": "songs.accounts.forms.LostPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_REDIRECT_URL = "home"
# A listener may look around with an address that is not confirmed yet. Two accounts may name the
# same one, and only one can confirm it: no stranger finds out which addresses have accounts.
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_CHANGE_EMAIL = True  # one address; a new one takes its place once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
# Otherwise a stranger on the same network could keep the account out after all (known_devices.py).
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # to change the address
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]  # no code by mail, which allauth has as well
ACCOUNT_RATE_LIMITS = {
    # Wrong passwords are counted by songs/accounts/attempts.py. Allauth counts codes of the second
    # factor, and what sends mail.
    "login_failed": "10/m/ip,5/300s/key",
    "login": "60/m/ip",
    "signup": "20/h/ip",
    "manage_email": "10/m/user,20/h/user,60/h/ip",  # each may be a mail to a stranger
    "reset_password": "20/h/ip,5/h/key",
}
MFA_ADAPTER = "songs.accounts.second_factor.SecondFactorAdapter"
MFA_FORMS = {
    "activate_totp": "songs.accounts.totp_forms.SwitchOnForm",
    "add_webauthn": "songs.accounts.passkey_forms.AddPasskeyForm",
    "edit_webauthn": "songs.accounts.passkey_forms.RenamePasskeyForm",
    "login_webauthn": "songs.accounts.passkey_forms.SignInByPasskeyForm",
    "authenticate_webauthn": "songs.accounts.passkey_forms.SecondFactorByPasskeyForm",
    "reauthenticate_webauthn": "songs.accounts.passkey_forms.AgainByPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # a superuser of the shell has no address
MFA_TOTP_ISSUER = "MelodyMaker"
MFA_TOTP_TOLERANCE = 1  # codes of the last and the next half minute, for clocks that are not right
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG  # browsers allow it on http://localhost

# What is counted, such as wrong passwords, is counted for all processes: in the database.
CACHES = {"default": {"BACKEND": "songs.cache.TableCache"}}

# --- mail -------------------------------------------------------------------------------------

_mail = env.mail("EMAIL_URL")
if not _mail and not DEBUG:
    env.problems.append(
        "EMAIL_URL: missing. Listeners confirm their address and get a new password by mail. Name "
        "the server, as smtp+tls://user:password@smtp.example.org:587."
    )
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_USE_TLS, EMAIL_USE_SSL = (_mail.get(f"EMAIL_USE_{name}", False) for name in ("TLS", "SSL"))
EMAIL_PORT = _mail.get("EMAIL_PORT") or (587 if EMAIL_USE_TLS else 465 if EMAIL_USE_SSL else 25)
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH")
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = (
    env.text("EMAIL_FROM")
    or f"MelodyMaker <no-reply@{ALLOWED_HOSTS[0].strip('*.') or 'localhost'}>"
)

# How much is too much (songs/limits/rules.py has the windows); None is no limit. Operators change
# each of them in the panel.
LIMITS: dict[str, int | None] = {
    "orders-account": 30,  # an hour, songs that fail among them
    "orders-network": 60,  # an hour
    "orders-all": 2_000,  # a day: what the endpoint may cost
    "making-account": 10,  # at once
    "sign-ups-network": 5,  # an hour
    "sign-ups-all": 500,  # a day
    "downloads-account": 5_000,  # audio and covers, an hour
    "downloads-network": 20_000,  # an hour
    "polling-account": 300,  # a minute; an open page asks every two seconds
    "polling-network": 3_000,  # a minute
    "drafts-network": 60,  # kept for browsers whose session has ended, an hour
}
LIMITS.update(env.amounts("LIMITS", list(LIMITS)))
SONGS_AT_ONCE = env.whole("SONGS_AT_ONCE", 50, least=1, most=100_000)

# --- language and time ------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- the engine: django-q2 clusters over the Run table --------------------------------------------

CLUSTER_WORKERS = env.whole("CLUSTER_WORKERS", 4, least=1, most=1_000)
STEP_TIMEOUT = env.whole("STEP_TIMEOUT", 900, least=1, most=604_800)
Q_CLUSTER = {
    "name": "melodymaker",
    "broker_class": "jobs.cluster.broker.RunBroker",
    "workers": CLUSTER_WORKERS,
    "queue_limit": CLUSTER_WORKERS,
    "timeout": STEP_TIMEOUT,  # seconds that a worker may be busy without a pause
    "retry": STEP_TIMEOUT + 60,
    "max_attempts": 1,  # the engine retries; django-q2 never does
    "ack_failures": True,
    "save_limit": -1,  # django-q2 keeps no successful task in its own tables
    "recycle": 1000,  # a worker is replaced after so many shifts of up to a second
    "catch_up": False,
    "scheduler": False,
    "log_level": "WARNING",
}
JOBS: dict[str, Any] = {
    # seconds before retry 1, 2, …; the last one repeats. Unset: Inngest's table with its jitter.
    "BACKOFF": [1, 2] if DEBUG else None,
    # settings whose values never reach a row, a log line or a page
    "SECRETS": [
        *("SECRET_KEY", "MODAL_KEY", "MODAL_SECRET"),
        *("SIGN_UP_SECRET", "EMAIL_HOST_PASSWORD"),
    ],
    # hosts that `step.fetch` may call
    "ALLOWED_HOSTS": [],  # set below, from the endpoints
    # those of ALLOWED_HOSTS that may have private addresses
    "PRIVATE_HOSTS": env.names("JOBS_PRIVATE_HOSTS", default=[]),
    # how many requests one cluster has in flight at most
    "GATEWAY_LIMIT": env.whole("JOBS_GATEWAY_LIMIT", 1000, least=1, most=100_000),
    # how many of them to one host; None: all, or three quarters if several hosts are allowed
    "GATEWAY_PER_HOST": env.whole("JOBS_GATEWAY_PER_HOST", 1000, least=1, most=100_000)
    if env.text("JOBS_GATEWAY_PER_HOST")
    else None,
    # seconds that a stopping cluster waits for its requests in flight
    "GATEWAY_GRACE": 2.0 if DEBUG else 10.0,
    # whether a worker prepares the statements of steps on its connection
    "PREPARE_STEPS": True,
    # whether the engine's own statements go through libpq's pipeline
    "PIPELINE": env.flag("JOBS_PIPELINE", default=True),
    # days that an ended run is kept; 0 keeps all
    "RETENTION_DAYS": env.whole("JOBS_RETENTION_DAYS", 30, most=36_500),
    # seconds that a silent worker keeps the lease on its run
    "LEASE": env.number("JOBS_LEASE", 15.0, least=1.0),
    # the database of DATABASES by which clusters LISTEN if the others go through a pool
    "LISTEN": "listen" if LISTEN_DATABASE else None,
    # the functions that say what runs are about in the admin, and what a search for runs means
    "RUNS_ABOUT": "songs.links.runs_about",
    "RUN_SEARCH": "songs.links.run_search",
    # the functions that make the site's cards on the admin's first page
    "PANEL_CARDS": [
        "songs.admin.cards.credits",
        "songs.admin.cards.reports",
        "songs.admin.limit_cards.refusals",
    ],
    # what the admin's first sentence counts, and what it offers for a kind of failures
    "PANEL_COUNTS": ("generate-song-event", "song"),
    "KIND_ACTS": ["songs.admin.kind_refunds.refunds"],
}

# --- the endpoint that makes the songs ----------------------------------------------------------

STUDIO_PORT = env.port("STUDIO_PORT", PORT + 1)
STUDIO_DELAY = env.number("STUDIO_DELAY", 0.0)
STUDIO_REDIRECT_AFTER = env.number("STUDIO_REDIRECT_AFTER", 150.0)
STUDIO_URL = f"http://127.0.0.1:{STUDIO_PORT}/generate_from_description"
GENERATE_FROM_DESCRIPTION = env.url("GENERATE_FROM_DESCRIPTION", default=STUDIO_URL)
# The endpoints for lyrics. A site whose first endpoint is not the studio has to name them too, or
# its form does not offer these ways.
USES_STUDIO = GENERATE_FROM_DESCRIPTION == STUDIO_URL
GENERATE_WITH_LYRICS = env.url(
    "GENERATE_WITH_LYRICS",
    default=urljoin(STUDIO_URL, "generate_with_lyrics") if USES_STUDIO else "",
)
GENERATE_FROM_DESCRIBED_LYRICS = env.url(
    "GENERATE_FROM_DESCRIBED_LYRICS",
    default=urljoin(STUDIO_URL, "generate_with_described_lyrics") if USES_STUDIO else "",
)
ENDPOINTS = [GENERATE_FROM_DESCRIPTION, GENERATE_WITH_LYRICS, GENERATE_FROM_DESCRIBED_LYRICS]
GENERATION_TIMEOUT = env.whole("GENERATION_TIMEOUT", 600, least=1, most=7200)
MODAL_KEY = env.text("MODAL_KEY")
MODAL_SECRET = env.text("MODAL_SECRET")
if not MODAL_KEY and USES_STUDIO:
    MODAL_KEY, MODAL_SECRET = production.STUDIO_KEYS  # the studio runs on this machine
if not (MODAL_KEY and MODAL_SECRET):
    env.problems.append(
        "MODAL_KEY, MODAL_SECRET: missing. GENERATE_FROM_DESCRIPTION names an endpoint, "
        "and the endpoint needs both."
    )
if not DEBUG:
    keys = {MODAL_KEY, MODAL_SECRET}
    env.problems.extend(
        production.studio_in_production(GENERATE_FROM_DESCRIPTION, STUDIO_URL, keys)
    )
    env.problems.extend(production.plain_endpoint(GENERATE_FROM_DESCRIPTION, JOBS["PRIVATE_HOSTS"]))
JOBS["ALLOWED_HOSTS"] = env.names(
    "JOBS_ALLOWED_HOSTS", default=sorted({urlsplit(url).netloc for url in ENDPOINTS if url})
)

# --- files: the pages' own, and the songs' ------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = LOCAL_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
MEDIA_ROOT = Path(env.text("MEDIA_ROOT") or LOCAL_DIR / "media")
# No form of the site takes a file, so none that is sent anyway is written to a disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
S3_BUCKET = env.text("S3_BUCKET")
S3_LINK_SECONDS = env.whole("S3_LINK_SECONDS", 600, least=60, most=604_800)
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
if S3_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.url("S3_ENDPOINT", default="") or None,
            "region_name": env.text("S3_REGION") or None,
            "access_key": env.text("S3_ACCESS_KEY") or None,
            "secret_key": env.text("S3_SECRET_KEY") or None,
            "querystring_auth": True,
            "querystring_expire": S3_LINK_SECONDS,
            "file_overwrite": False,
            "max_memory_size": 1024 * 1024,  # of a file that a download is packed from
        },
    }

# --- security ---------------------------------------------------------------------------------

HTTPS = env.flag("HTTPS", default=not DEBUG)
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
BEHIND_PROXY = env.flag("BEHIND_PROXY", default=False)
PROXIES = env.whole("PROXIES", 1 if BEHIND_PROXY else 0, most=10)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    env.problems.extend(production.unknown_proxies(PROXIES))
DEFAULT_EXCEPTION_REPORTER_FILTER = "melodymaker.debug_pages.UrlsToo"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "default-src": ["'self'"],
    "media-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}
if S3_BUCKET:
    S3_ORIGIN = env.url("S3_ORIGIN", default=f"https://{S3_BUCKET}.s3.amazonaws.com")
    CONTENT_SECURITY_POLICY["media-src"].append(S3_ORIGIN)
    CONTENT_SECURITY_POLICY["img-src"].append(S3_ORIGIN)

# --- logs ---------------------------------------------------------------------------------------

LOG_LEVEL = env.one_of("LOG_LEVEL", ["INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "links": {"()": "melodymaker.log_links.HideLinks"},
        "refused": {"()": "melodymaker.log_refused.InALine"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["links", "refused"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {
            "level": LOG_LEVEL
        },  # without Django's own handlers, which would repeat each line
        "django-q": {"level": "WARNING"},  # at INFO it logs each process that starts or ends
        "urllib3": {
            "level": "ERROR"
        },  # its warnings contain the URL of a result, which is a secret
    },
}

marks = {
    "ALLOWED_HOSTS": not all(production.is_local(host) for host in ALLOWED_HOSTS),
    "CSRF_TRUSTED_ORIGINS": bool(CSRF_TRUSTED_ORIGINS),
    "HTTPS": HTTPS,
    "BEHIND_PROXY": BEHIND_PROXY,
    "S3_BUCKET": bool(S3_BUCKET),
}
if not env.text("DEBUG"):
    env.problems.extend(production.half(marks, has_database=not EMBEDDED_DATABASE))
elif EMBEDDED_DATABASE and not DEBUG:
    env.problems.append(production.NO_DATABASE)
ENV_PROBLEMS = env.problems
