"""The web process's application: short links, the hooks, the intake, and behind them everything that Django answers."""

import os
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - after Django is set up

from chappe.engine.bus.local import LocalBus  # noqa: E402
from chappe.engine.store.store import open_store  # noqa: E402
from chappe.engine.vault import Vault, link_signer  # noqa: E402
from chappe.features.clock import now_ms  # noqa: E402
from chappe.web.hooks.app import Hooks  # noqa: E402
from chappe.web.hooks.committer import Committer as HookCommitter  # noqa: E402
from chappe.web.intake.app import Intake  # noqa: E402
from chappe.web.intake.committer import Committer  # noqa: E402
from chappe.web.links.app import Links  # noqa: E402
from chappe.web.links.committer import Committer as LinkCommitter  # noqa: E402
from chappe.web.wire import Application  # noqa: E402


def make_application() -> Links:
    """One for each event loop."""
    configuration = settings.CONFIGURATION
    url, public_url, bus = configuration.database_url, configuration.public_url, LocalBus(configuration.database_url)
    intake = Intake(Committer(lambda: open_store(url), bus.tell), cast(Application, django_application), now_ms)
    vault = Vault(configuration.keys)
    hooks = Hooks(
        HookCommitter(lambda: open_store(url), bus.tell, vault, public_url, now_ms), intake, now_ms, public_url
    )
    links = LinkCommitter(lambda: open_store(url), bus.tell, now_ms)
    return Links(links, cast(Application, hooks), link_signer(vault), now_ms)


application = make_application()
