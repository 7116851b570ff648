"""The web process's application: the intake, and behind it everything that Django answers."""

import os
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - after Django is set up

from chappe.engine.bus.local import LocalBus  # noqa: E402
from chappe.engine.store.store import open_store  # noqa: E402
from chappe.features.clock import now_ms  # noqa: E402
from chappe.web.intake.app import Application, Intake  # noqa: E402
from chappe.web.intake.committer import Committer  # noqa: E402


def make_application() -> Intake:
    """One for each event loop."""
    url = settings.CONFIGURATION.database_url
    bus = LocalBus(url)
    return Intake(Committer(lambda: open_store(url), bus.tell), cast(Application, django_application), now_ms)


application = make_application()
