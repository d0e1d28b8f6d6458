"""Django's settings. What differs between machines comes from the environment (.env.example)."""

import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate
from phonenumbers import SUPPORTED_REGIONS

from smimso import queues
from smimso.local import servers

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
env.read_env(BASE_DIR / ".env", recurse=False)

# --- Where SMIMSO runs ---------------------------------------------------------------------
ENVIRONMENT = env.str("SMIMSO_ENV", "development")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.bool("SMIMSO_DEBUG", False)
DATA_DIR = Path(env.str("SMIMSO_DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
# An empty value, as in a copy of .env.example, counts as not set.
ALLOWED_HOSTS = env.list("SMIMSO_ALLOWED_HOSTS", []) or ([] if PRODUCTION else ["*"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("SMIMSO_TRUSTED_ORIGINS", [])
BEHIND_PROXY = env.bool("SMIMSO_BEHIND_PROXY", False)
# Number of proxies whose entries in X-Forwarded-For are trusted, counted from the right.
TRUSTED_PROXIES = env.int("SMIMSO_TRUSTED_PROXIES", 1 if BEHIND_PROXY else 0)
# Pages show times in the reader's zone, and in this one if a browser does not name it. Days begin
# in it, too. The database and REST stay in UTC.
TIME_ZONE = env.str("SMIMSO_TIME_ZONE", "") or "Asia/Ho_Chi_Minh"
if TIME_ZONE not in zoneinfo.available_timezones():
    raise ImproperlyConfigured("SMIMSO_TIME_ZONE must be a name such as Asia/Ho_Chi_Minh")
# The country of phone numbers without a country code.
PHONE_REGION = env.str("SMIMSO_PHONE_REGION", "") or "VN"
if PHONE_REGION not in SUPPORTED_REGIONS:
    raise ImproperlyConfigured("SMIMSO_PHONE_REGION must be a country's code such as VN")

# --- Metrics (Prometheus) --------------------------------------------------------------------
METRICS_DIR = Path(env.str("SMIMSO_METRICS_DIR", "") or DATA_DIR / "metrics")
METRICS_TOKEN = env.str("SMIMSO_METRICS_TOKEN", "")  # empty: /metrics is for staff only

# --- Secrets -------------------------------------------------------------------------------
# Outside production a missing secret is created once and stored in the data directory.
SECRET_KEY = env.str("SECRET_KEY", "") or (
    "" if PRODUCTION else servers.load_or_create_secret(DATA_DIR)
)
JWT_SECRET = env.str("JWT_SECRET", "") or ("" if PRODUCTION else SECRET_KEY)
JWT_LIFETIME = timedelta(days=env.int("JWT_EXPIRES_DAYS", 30))
GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", "")  # empty: no login with Google
for name, secret in (("SECRET_KEY", SECRET_KEY), ("JWT_SECRET", JWT_SECRET)):
    if len(secret) < 32:
        raise ImproperlyConfigured(f"{name} must be set to a random text of 32 or more characters.")

# --- Applications --------------------------------------------------------------------------
INSTALLED_APPS = [
    "smimso.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "corsheaders",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "smimso",
    "accounts",
    "notifications",
    "ai",
    "posts",
    "members",
    "search",
    "recommendations",
    "importer",
    "demo",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "smimso.urls"
ASGI_APPLICATION = "smimso.asgi.application"
APPEND_SLASH = False  # the frontend's bodies and preflights do not survive a redirect
MIDDLEWARE = [
    "smimso.metrics.metrics_middleware",
    "smimso.web.middleware.request_middleware",
    "corsheaders.middleware.CorsMiddleware",  # before all that may redirect: preflights must not be
    "django.middleware.security.SecurityMiddleware",
    "smimso.web.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "smimso.web.middleware.time_zone_middleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "notifications.context.unread",
            ]
        },
    }
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "feed"
LOGOUT_REDIRECT_URL = "login"
# The first hasher makes new hashes; older hashes are renewed at the next login.
PASSWORD_HASHERS = ["accounts.hashers.Argon2Hasher", "accounts.hashers.NodeBCryptHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "accounts.passwords.MinimumLength",
        "OPTIONS": {"min_length": 6},
    },
]
PASSWORD_RESET_TIMEOUT = 60 * 60  # seconds; the e-mail says "one hour"

# --- E-mail ----------------------------------------------------------------------------------
EMAIL_BACKEND = "smimso.mail.TerminalBackend"
if env.str("EMAIL_URL", ""):
    _server = env.dj_email_url("EMAIL_URL")
    if "EMAIL_BACKEND" not in _server:
        raise ImproperlyConfigured("EMAIL_URL must look like submission://user:password@host:587")
    if "*" in ALLOWED_HOSTS:  # a forged Host would appear in the link of the e-mail
        raise ImproperlyConfigured("With EMAIL_URL, name your host in SMIMSO_ALLOWED_HOSTS")
    globals().update(_server)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", "SMIMSO <noreply@localhost>")

# --- PostgreSQL and Redis (embedded unless a URL is given) -----------------------------------
DATABASES = {"default": env.dj_db_url("DATABASE_URL", servers.database_url(DATA_DIR))}
# ASGI serves each request on a thread of its own: a pool, not a connection per thread.
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "pool": {"min_size": 0, "max_size": env.int("SMIMSO_DB_POOL", 16), "timeout": 10},
}
REDIS_URL = env.str("REDIS_URL", servers.redis_url(DATA_DIR))
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "smimso",
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,  # without Redis, every key is a miss
            "REDIS_CLIENT_CLASS": "smimso.redis.CacheClient",
            "SOCKET_CONNECT_TIMEOUT": 2,
            "SOCKET_TIMEOUT": 2,
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

# --- Celery ----------------------------------------------------------------------------------
CELERY_BROKER_URL = servers.kombu_url(REDIS_URL)
CELERY_TIMEZONE = TIME_ZONE  # nightly tasks run at the site's night
CELERY_TASK_DEFAULT_QUEUE = queues.MAINTENANCE
CELERY_TASK_ROUTES = {
    "posts.tasks.embed_images": {"queue": queues.EMBED},
    "posts.tasks.caption_images": {"queue": queues.CAPTION},
    "posts.tasks.fill_vectors": {"queue": queues.BACKFILL},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A dead broker must not delay a request: the row is saved, and the reconciler queues it later.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "queue_order_strategy": "priority",  # a worker empties its queues in the order of its --queues
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "reconcile-images": {
        "task": "posts.tasks.reconcile_images",
        "schedule": env.float("SMIMSO_RECONCILE_SECONDS", 10.0),
    },
    "write-views": {"task": "posts.tasks.write_views", "schedule": 10.0},
    "maintain-index": {"task": "search.tasks.maintain_index", "schedule": 300.0},
    "change-model": {"task": "search.tasks.change_model", "schedule": 5.0},
    "fill-appearance": {"task": "posts.tasks.fill_appearance", "schedule": 30.0},
    "learn-tastes": {"task": "search.tasks.learn_tastes", "schedule": crontab(hour=5, minute=0)},
    "keep-house": {"task": "posts.tasks.keep_house", "schedule": crontab(hour=3, minute=0)},
    "measure-recall": {
        "task": "search.tasks.measure_recall",
        "schedule": crontab(hour=4, minute=0),
    },
}
# Periodic tasks expire when the next one is due, so nothing piles up while no worker runs. At least
# 60 s, to tolerate clock skew.
for entry in CELERY_BEAT_SCHEDULE.values():
    nightly = isinstance(entry["schedule"], crontab)
    entry["options"] = {"expires": 86_400.0 if nightly else max(60.0, entry["schedule"])}

# --- AI --------------------------------------------------------------------------------------
# open_clip names; "local-dir:/path" is a directory. OpenAI's weights were trained with QuickGELU.
AI_CLIP_MODEL = env.str("SMIMSO_CLIP_MODEL", "ViT-B-32-quickgelu")
AI_CLIP_PRETRAINED = env.str("SMIMSO_CLIP_PRETRAINED", "openai")
AI_BLIP_MODEL = env.str("SMIMSO_BLIP_MODEL", "Salesforce/blip-image-captioning-base")
AI_DEVICE = env.str("SMIMSO_AI_DEVICE", "auto")  # auto, cpu, cuda
AI_DTYPE = env.str("SMIMSO_AI_DTYPE", "auto")  # auto, fp32, bf16, fp16, int8
AI_THREADS = env.int("SMIMSO_AI_THREADS", 0)  # CPU threads of this worker; 0: torch decides
AI_TIMEOUT = env.float("SMIMSO_AI_TIMEOUT", 10.0)  # seconds a request waits for a worker
AI_QUEUE_LIMIT = env.int("SMIMSO_AI_QUEUE_LIMIT", 32)  # maximum of requests waiting for a worker
AI_PUBLIC = env.bool("SMIMSO_AI_PUBLIC", False)  # /api/ai/* without a token (the demo)
AI_EMBED_BATCH = env.int("SMIMSO_EMBED_BATCH", 32)
AI_CAPTION_BATCH = env.int("SMIMSO_CAPTION_BATCH", 16)
# A worker prefetches full batches and one message of the backfill; with fewer, batches stay small.
# Workers without batches set 1 (smimso.local.processes).
CELERY_WORKER_CONCURRENCY = 1
CELERY_WORKER_PREFETCH_MULTIPLIER = AI_EMBED_BATCH + AI_CAPTION_BATCH + 1
AI_CAPTION_BEAMS = env.int("SMIMSO_CAPTION_BEAMS", 1)  # 1: greedy
AI_MAX_ATTEMPTS = env.int("SMIMSO_AI_MAX_ATTEMPTS", 5)
# Days to retain the previous model's vectors for a switch back; 0: until an operator deletes them.
AI_KEEP_DAYS = env.int("SMIMSO_KEEP_VECTORS_DAYS", 7)
# An image that is still waiting this many seconds after it was queued is queued again.
AI_REQUEUE_SECONDS = env.float("SMIMSO_AI_REQUEUE_SECONDS", 60.0)

# --- Search ----------------------------------------------------------------------------------
VECTOR_INDEX = env.str(
    "SMIMSO_VECTOR_INDEX", "ivfflat", validate=validate.OneOf(["ivfflat", "hnsw"])
)
INDEX_BUILD_MB = env.int("SMIMSO_INDEX_BUILD_MB", 0)  # maintenance_work_mem; 0: the server's
SEARCH_LEAST_RECALL = env.float("SMIMSO_SEARCH_LEAST_RECALL", 0.95)

# --- Uploads ---------------------------------------------------------------------------------
MEDIA_ROOT = DATA_DIR / "uploads"
MEDIA_URL = "/uploads/"
UPLOAD_MAX_BYTES = env.int("MAX_FILE_SIZE", 10 * 1024 * 1024)
UPLOAD_MAX_FILES = 10
UPLOAD_MAX_PIXELS = env.int("SMIMSO_MAX_PIXELS", 120_000_000)  # media.formats has lower ones
UPLOAD_THUMBNAIL_WIDTHS = {"thumbnail": 480, "preview": 1080}
UPLOAD_URL_LIFETIME = timedelta(hours=env.int("SMIMSO_UPLOAD_URL_HOURS", 12))
# Seconds in which an equal post (words, images, author) counts as a retry of the first request, and
# so does an equal registration.
POST_RETRY_SECONDS = env.int("SMIMSO_POST_RETRY_SECONDS", 300)
COMMENT_RETRY_SECONDS = env.int("SMIMSO_COMMENT_RETRY_SECONDS", 60)  # the same for comments
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # JSON and form fields; files are not counted
REQUEST_MAX_BYTES = UPLOAD_MAX_FILES * UPLOAD_MAX_BYTES + 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_MAX_BYTES

# --- Web -------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("vi", "Tiếng Việt")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
CORS_ALLOWED_ORIGINS = env.list(
    "SMIMSO_CORS_ORIGINS", [] if PRODUCTION else ["http://localhost:3000"]
)
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key"]
CORS_EXPOSE_HEADERS = ["Content-Type", "Retry-After"]
CORS_PREFLIGHT_MAX_AGE = 86400
# Requests per window ("10/5m": s, m, h) and address or member; empty: no limit.
THROTTLES = {
    "login": env.str("SMIMSO_THROTTLE_LOGIN", "30/1m"),  # per address
    "password": env.str("SMIMSO_THROTTLE_PASSWORD", "10/5m"),  # per address and account
    "register": env.str("SMIMSO_THROTTLE_REGISTER", "20/1h"),
    "mail": env.str("SMIMSO_THROTTLE_MAIL", "5/1h"),  # per e-mail address, from any client
    "uploads": env.str("SMIMSO_THROTTLE_UPLOADS", "300/1h"),
    # Dropping ten images into the frontend's form causes eleven requests.
    "ai": env.str("SMIMSO_THROTTLE_AI", "240/1m"),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "smimso.web.auth.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "smimso.web.parsers.LimitedJSONParser",
        "rest_framework.parsers.MultiPartParser",
        "smimso.web.parsers.LimitedFormParser",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "smimso.web.negotiation.LenientNegotiation",
    "DEFAULT_THROTTLE_CLASSES": ["smimso.web.throttling.SharedScopeThrottle"],
    "NUM_PROXIES": TRUSTED_PROXIES,
    "DEFAULT_SCHEMA_CLASS": "smimso.web.openapi.EnvelopeSchema",
    "EXCEPTION_HANDLER": "smimso.web.responses.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "SMIMSO",
    "DESCRIPTION": "A social network for sharing images. Each route is served without `/api`, too.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"any_id": {"type": "string", "format": "uuid"}},
    "PREPROCESSING_HOOKS": ["smimso.web.openapi.drop_duplicate_mounts"],
}

# --- Security (check --deploy) ---------------------------------------------------------------
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SMIMSO_SSL_REDIRECT", True)
    SECURE_REDIRECT_EXEMPT = [r"^(api/)?health$"]
    SECURE_HSTS_SECONDS = env.int("SMIMSO_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if BEHIND_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "no_tokens": {"()": "smimso.logs.TokenRedactor"},
        "cache_errors": {"()": "smimso.logs.CacheErrorSummary"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["no_tokens"],
        }
    },
    "root": {"handlers": ["console"], "level": env.str("SMIMSO_LOG_LEVEL", "INFO")},
    "loggers": {
        # Its own handler would log URLs unredacted, and an EventSource's URL contains a token.
        "uvicorn.access": {"handlers": ["console"], "propagate": False},
        "django_redis.cache": {"filters": ["cache_errors"]},
    },
}
