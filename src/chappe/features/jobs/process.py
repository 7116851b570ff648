"""The jobs process: works off what requests have left for later."""

import os
import signal
import threading


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chappe.web.settings")
    import django

    django.setup()
    from chappe.features.jobs.services import run_jobs

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_jobs(stop)


if __name__ == "__main__":
    main()
