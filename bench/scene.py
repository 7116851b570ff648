"""A fresh installation to measure: database, organisation, connection, audience, engine; all of it on loopback."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TEXT = "Bonjour {}, votre commande {} est prete, venez la chercher au magasin avant samedi. STOP au 36111"
READY_S = 60


class Scene:
    """One installation in a folder of its own. Django and the store are imported once its settings are in the environment."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.folder = folder
        self.url = database_url or f"sqlite:///{folder / 'chappe.sqlite3'}"
        self.environment = {**os.environ, "CHAPPE_DATA_DIR": str(folder), "CHAPPE_DATABASE_URL": self.url}
        self.environment["DJANGO_SETTINGS_MODULE"] = "chappe.web.settings"
        self.processes: list[subprocess.Popen[bytes]] = []

    def django(self, code: str) -> dict[str, object]:
        """Run `code` in a Django process of this installation; what it assigns to `result` comes back."""
        head = "import json, time, django; django.setup(); now = int(time.time() * 1000)\n"
        output = subprocess.run(
            [sys.executable, "-c", f"{head}{code}\nprint(json.dumps(result))"],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        return dict(json.loads(output.splitlines()[-1]))

    def prepare(self, port: int, settings: Mapping[str, object], *, is_enabled: bool = True) -> None:
        """Tables, an organisation, a key and a connection to the SMSC at `port`."""
        values = {
            "host": "127.0.0.1",
            "port": port,
            "account": "bench",
            "password": "bench",
            "window": 1000,
            "reconnect_s": 1,
            **settings,
        }
        self.connect("smpp", values, is_enabled=is_enabled)

    def connect(self, provider: str, settings: Mapping[str, object], *, is_enabled: bool = True) -> None:
        """Tables, an organisation, a key and a connection with these settings to something on loopback."""
        values = {"allowed_networks": "127.0.0.0/8", **settings}
        found = self.django(
            "from django.core.management import call_command\n"
            "call_command('migrate', verbosity=0)\n"
            "from chappe.features.accounts import services as a\n"
            "from chappe.features.connections import services as c\n"
            "o = a.create_organisation('Bench', now)\n"
            "k = a.create_api_key(o, 'bench', ['send', 'read', 'manage'], now)\n"
            f"v = json.loads({json.dumps(json.dumps(values))})\n"
            f"x = c.create_connection(o.id, 'Bench', {provider!r}, v, now, is_enabled={is_enabled})\n"
            "result = {'organisation': o.id, 'connection': x.id, 'key': k.secret}"
        )
        self.organisation_id, self.connection_id = int(str(found["organisation"])), int(str(found["connection"]))
        self.key = str(found["key"])

    def point(self, port: int, settings: Mapping[str, object]) -> None:
        """Change the connection: another SMSC, other settings; and enable it."""
        values = {"port": port, **settings}
        self.django(
            "from chappe.features.connections import services as c\n"
            f"c.change_connection({self.organisation_id}, {self.connection_id}, c.Change(settings="
            f"json.loads({json.dumps(json.dumps(values))}), is_enabled=True), now)\nresult = {{}}"
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, *arguments], env=self.environment)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


@contextmanager
def scene(database_url: str | None = None) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="chappe-bench-") as folder:
        made = Scene(Path(folder), database_url)
        try:
            yield made
        finally:
            made.stop()


def wait_for(condition: object, seconds: float, what: str, every_s: float = 0.02) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(every_s)
