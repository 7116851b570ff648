"""The web process's application: the hooks, the intake, and behind them everything that Django answers."""

import os
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - after Django is set up

from chappe.engine.bus.local import LocalBus  # noqa: E402
from chappe.engine.store.store import open_store  # noqa: E402
from chappe.engine.vault import Vault  # noqa: E402
from chappe.features.clock import now_ms  # noqa: E402
from chappe.web.hooks.app import Hooks  # noqa: E402
from chappe.web.hooks.committer import Committer as HookCommitter  # noqa: E402
from chappe.web.intake.app import Intake  # noqa: E402
from chappe.web.intake.committer import Committer  # noqa: E402
from chappe.web.wire import Application  # noqa: E402


def make_application() -> Hooks:
    """One for each event loop."""
    configuration = settings.CONFIGURATION
    url, public_url, bus = configuration.database_url, configuration.public_url, LocalBus(configuration.database_url)
    intake = Intake(Committer(lambda: open_store(url), bus.tell), cast(Application, django_application), now_ms)
    vault = Vault(configuration.keys)
    return Hooks(
        HookCommitter(lambda: open_store(url), bus.tell, vault, public_url, now_ms), intake, now_ms, public_url
    )


application = make_application()
