"""The settings of the site and of its clusters.

If no variable is set, the configuration is for development: an embedded PostgreSQL, the local
studio, debug pages. `DATABASE_URL` makes it production's, unless `DEBUG` is set too.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from melodymaker import embedded
from melodymaker.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = BASE_DIR / ".local"
env = Environment(BASE_DIR / ".env")

# --- the site ---------------------------------------------------------------------------------

DATABASE_URL = env.text("DATABASE_URL")
DEBUG = env.flag("DEBUG", default=not DATABASE_URL)
SECRET_KEY = env.text("SECRET_KEY", default="development-only-key" if DEBUG else "")
if not SECRET_KEY:
    SECRET_KEY = secrets.token_urlsafe(50)
    env.problems.append("SECRET_KEY: missing. Production needs a secret of at least 50 characters.")

PORT = env.port("PORT", 8000)
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", default=[])
if not DEBUG and not env.text("ALLOWED_HOSTS"):
    env.problems.append("ALLOWED_HOSTS: missing. Name the site's hosts, separated by commas.")

# --- apps, middleware, templates --------------------------------------------------------------

INSTALLED_APPS = [
    "melodymaker",
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
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "melodymaker.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "melodymaker.middleware.database_away",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
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

EMBEDDED_DATABASE = not DATABASE_URL
# A machine that loses its power does not close its connections. With TCP keepalives on both sides
# its row locks last a minute; by the system's default they would last two hours. `options` makes
# the server send keepalives too; it is left out behind a pool, which would refuse the connection.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
USER_TIMEOUT = 60_000  # ms that sent data may stay unacknowledged
SERVER_SIDE = {f"tcp_{name}": value for name, value in KEEPALIVE.items()} | {
    "tcp_user_timeout": USER_TIMEOUT
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
# A direct connection to the same database, for clusters whose others go through a pool.
LISTEN_DATABASE = env.database("DATABASE_LISTEN_URL", default={})
if LISTEN_DATABASE:
    DATABASES["listen"] = _database(LISTEN_DATABASE) | {"TEST": {"MIRROR": "default"}}

# --- accounts ---------------------------------------------------------------------------------

AUTH_USER_MODEL = "songs.User"
# ModelBackend checks passwords and permissions; the others decide for single objects.
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
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
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "songs"
LOGOUT_REDIRECT_URL = "login"
CSRF_FAILURE_VIEW = "songs.stale_pages.csrf_failure"
STARTING_CREDITS = env.whole("STARTING_CREDITS", 10)

# --- language and time ------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- the engine: django-q2 clusters over the Run table --------------------------------------------

CLUSTER_WORKERS = env.whole("CLUSTER_WORKERS", 4, least=1)
STEP_TIMEOUT = env.whole("STEP_TIMEOUT", 900, least=1)
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
    "SECRETS": ["SECRET_KEY", "MODAL_KEY", "MODAL_SECRET"],
    # hosts that `step.fetch` may call
    "ALLOWED_HOSTS": [],  # set below, from the endpoints
    # those of ALLOWED_HOSTS that may have private addresses
    "PRIVATE_HOSTS": env.names("JOBS_PRIVATE_HOSTS", default=[]),
    # how many requests one cluster has in flight at most
    "GATEWAY_LIMIT": env.whole("JOBS_GATEWAY_LIMIT", 1000, least=1),
    # how many of them to one host; None: all, or three quarters if several hosts are allowed
    "GATEWAY_PER_HOST": env.whole("JOBS_GATEWAY_PER_HOST", 1000, least=1)
    if env.text("JOBS_GATEWAY_PER_HOST")
    else None,
    # seconds that a stopping cluster waits for its requests in flight
    "GATEWAY_GRACE": 2.0 if DEBUG else 10.0,
    # whether a worker prepares the statements of steps on its connection
    "PREPARE_STEPS": True,
    # whether the engine's own statements go through libpq's pipeline
    "PIPELINE": env.flag("JOBS_PIPELINE", default=True),
    # days that an ended run is kept; 0 keeps all
    "RETENTION_DAYS": env.whole("JOBS_RETENTION_DAYS", 30),
    # seconds that a silent worker keeps the lease on its run
    "LEASE": env.number("JOBS_LEASE", 15.0, least=1.0),
    # the database of DATABASES by which clusters LISTEN if the others go through a pool
    "LISTEN": "listen" if LISTEN_DATABASE else None,
    # the functions that say what runs are about in the admin, and what a search for runs means
    "RUNS_ABOUT": "songs.links.runs_about",
    "RUN_SEARCH": "songs.links.run_search",
    # the functions that make the site's cards on the admin's first page
    "PANEL_CARDS": ["songs.admin.cards.credits"],
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
    MODAL_KEY, MODAL_SECRET = "studio-key", "studio-secret"  # the studio runs on this machine
if not (MODAL_KEY and MODAL_SECRET):
    env.problems.append(
        "MODAL_KEY, MODAL_SECRET: missing. GENERATE_FROM_DESCRIPTION names an endpoint, "
        "and the endpoint needs both."
    )
JOBS["ALLOWED_HOSTS"] = env.names(
    "JOBS_ALLOWED_HOSTS", default=sorted({urlsplit(url).netloc for url in ENDPOINTS if url})
)

# --- files: the pages' own, and the songs' ------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = LOCAL_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
MEDIA_ROOT = Path(env.text("MEDIA_ROOT") or LOCAL_DIR / "media")
S3_BUCKET = env.text("S3_BUCKET")
S3_LINK_SECONDS = env.whole("S3_LINK_SECONDS", 600, least=60)
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
            "endpoint_url": env.text("S3_ENDPOINT") or None,
            "region_name": env.text("S3_REGION") or None,
            "access_key": env.text("S3_ACCESS_KEY") or None,
            "secret_key": env.text("S3_SECRET_KEY") or None,
            "querystring_auth": True,
            "querystring_expire": S3_LINK_SECONDS,
            "file_overwrite": False,
        },
    }

# --- security ---------------------------------------------------------------------------------

HTTPS = env.flag("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
if env.flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
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
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
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

ENV_PROBLEMS = env.problems
