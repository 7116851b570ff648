"""This installation, as the commands reach it: its configuration, its database, Django made ready."""

import os
from functools import cache

from chappe.engine import log
from chappe.engine.configuration import Configuration


@cache
def installation() -> Configuration:
    """The configuration of the environment, with Django set up on it. Raises ConfigError naming what cannot be used."""
    import django

    configuration = Configuration.load(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")
    log.configure(configuration.log_level)
    django.setup()
    return configuration


def migrate() -> None:
    """Bring the database's tables up to this version."""
    from django.core.management import call_command

    installation()
    call_command("migrate", verbosity=0)
