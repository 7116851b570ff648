"""Django's settings, all of them drawn from the process's configuration."""

import os

from django.utils.translation import gettext_lazy as _

from chappe.engine.configuration import Configuration
from chappe.web.database import database_settings
from chappe.web.mail import mail_settings
from chappe.web.oidc import sign_in_providers

CONFIGURATION = Configuration.load(os.environ)
CONFIGURATION.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = CONFIGURATION.secret_key
DEBUG = False
ALLOWED_HOSTS = list(CONFIGURATION.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(CONFIGURATION.trusted_origins)
ROOT_URLCONF = "chappe.web.urls"
APPEND_SLASH = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Before allauth's, so that its pages have the console's looks.
    "chappe.web.console",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "chappe.features.audit",
    "chappe.features.accounts",
    "chappe.features.connections",
    "chappe.features.errors",
    "chappe.features.contacts",
    "chappe.features.consent",
    "chappe.features.messages",
    "chappe.features.inbox",
    "chappe.features.relay",
    "chappe.features.tracking",
    "chappe.features.deliveries",
    "chappe.features.templates",
    "chappe.features.jobs",
    "chappe.features.hooks",
    "chappe.features.callbacks",
    "chappe.features.keys",
    "chappe.features.settings",
    "chappe.features.traces",
]

MIDDLEWARE = [
    "chappe.web.acting.ActingMiddleware",
    # What these say, they say of every answer: of files, and of problems too.
    "django.middleware.security.SecurityMiddleware",
    "chappe.web.console.middleware.ContentPolicyMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "chappe.web.api.problem.ProblemMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "chappe.web.console.middleware.PersonMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.l10n",
                "chappe.web.console.templatetags.console",
                "chappe.features.audit.templatetags.audit",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database_settings(CONFIGURATION.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/account/login/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # who is invited got the link at their address
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_ADAPTER = "chappe.features.accounts.sign_in.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Chappe"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # who is invited got the link at their address
MFA_ADAPTER = "chappe.features.accounts.sign_in.SecondFactorAdapter"
SOCIALACCOUNT_ADAPTER = "chappe.features.accounts.sign_in.SocialAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = True  # a link: the content policy lets no form lead elsewhere
SOCIALACCOUNT_PROVIDERS = sign_in_providers(CONFIGURATION)
globals().update(mail_settings(CONFIGURATION.mail_url, CONFIGURATION.mail_from))
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIGURATION.public_url.startswith("https://")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = CONFIGURATION.language
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
SERVESTATIC_USE_FINDERS = True  # served from the packages themselves: there is no build step
SERVESTATIC_MAX_AGE = 86_400  # addresses carry a mark of the content
SERVESTATIC_ALLOW_ALL_ORIGINS = False

# A list of ten thousand contacts is a request like any other; files are read as they arrive.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
# The form of a connection has a field for each cell of its tables, of up to five hundred rows.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

# Logging belongs to the process that starts Django, which sets up its own.
LOGGING_CONFIG = None
