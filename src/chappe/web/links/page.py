"""What is shown where a link leads nowhere: whole in one answer, for nothing else of ours may be reached under its name."""

import base64
import hashlib
from functools import cache

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:15vh 1.5rem 0}"
    "main{max-width:28rem;margin:auto}"
    "h1{font-size:1.5rem}"
)
POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def language_of(accepted: str) -> str:
    """The first of the languages that a browser asks for (Accept-Language) which we speak, else that of the installation."""
    spoken = dict(settings.LANGUAGES)
    asked = (code.partition("-")[0] for code, _ in parse_accept_lang_header(accepted.lower()))
    return next((code for code in asked if code in spoken), settings.LANGUAGE_CODE)


@cache
def nothing_here(language: str) -> bytes:
    with translation.override(language):
        return render_to_string("tracking/nothing.html", {"language": language, "style": STYLE}).encode()
