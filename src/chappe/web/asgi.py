"""The control plane as an ASGI application; the fast path of the API is mounted in front of it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")

django_application = get_asgi_application()
