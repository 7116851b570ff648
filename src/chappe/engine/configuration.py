"""What a process is told at its start: every setting declared once, read from the environment.

The declaration (name, type, default, help, secret) makes the parser here and the reference page of the docs. The
environment comes first; a secret may also be named by a file (`CHAPPE_KEYS_FILE=/run/secrets/keys`). A value that
cannot be read stops the start and says what is allowed.
"""

import base64
import binascii
import contextlib
import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from chappe.messaging import ConfigError, FieldError
from chappe.rules.link import PATH

KEY_OCTETS = 32
LOG_LEVELS = ("debug", "info", "warning", "error")
LANGUAGES = ("en", "fr")
POSTGRESQL = ("postgresql", "postgres")
_ADDRESS = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&()*+,;=._~%-]+")
"""What an address is written with (RFC 3986): it stands in texts, where it must not seem to end."""
ANY_NETWORK = "*"
"""Where networks and hosts are listed: every one of them."""
LONGEST_LINK_URL = 80
"""It stands in texts, several times perhaps."""

Value = TypeVar("Value")


class Unreadable(ValueError):
    """Why one value cannot be used, in words that name what is allowed and never repeat the value."""


class Declared(msgspec.Struct, frozen=True):
    """One setting of a process. `default` is shown as it would be typed; `type` is a word for the reference page."""

    name: str
    type: str
    default: str
    help: str
    read: Callable[[str], object]
    secret: bool = False
    choices: tuple[str, ...] = ()


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
        raise Unreadable("must be a number from 1 to 65535")
    return int(value)


def _names(value: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)


def _listing(value: str) -> str:
    if value != ANY_NETWORK:
        # Only where it is needed: every command reads the configuration, and starts at once.
        from chappe.providers.smpp_settings import networks_problem

        if problem := networks_problem(value):
            raise Unreadable(f"must be {problem.removeprefix('expected ')}; {ANY_NETWORK} for any")
    return value


def _networks(value: str) -> tuple[str, ...]:
    found = _names(value)
    try:
        for one in found:
            ipaddress.ip_network(one)
    except ValueError:
        raise Unreadable("must be a comma list of addresses and networks, such as 10.0.0.5, 10.1.0.0/16") from None
    return found


def _public_url(value: str) -> str:
    if value and not (_ADDRESS.fullmatch(value) and _is_address(value)):
        raise Unreadable("must be an address such as https://chappe.example.org, without a user, query or fragment")
    return value.rstrip("/")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = "@" not in parts.netloc and not (parts.query or parts.fragment)
    return parts.scheme in ("https", "http") and bool(parts.hostname) and has_port and is_plain


def _link_url(value: str) -> str:
    found = _public_url(value)
    if len(found) > LONGEST_LINK_URL:
        raise Unreadable(f"must have at most {LONGEST_LINK_URL} characters")
    return found


def _mail_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        is_address = parts.scheme in ("smtp", "smtps") and parts.hostname and (parts.port or 0) >= 0
    except ValueError:
        is_address = False
    if value and not (is_address and parts.path in ("", "/") and parts.query in ("", "tls=no")):
        raise Unreadable("must be smtp://user:password@host:port or smtps://user:password@host:port")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.lower() not in choices:
            raise Unreadable(f"must be one of {', '.join(choices)}")
        return value.lower()

    return read


def _database_url(value: str) -> str:
    if value == "" or sqlite_path(value) is not None or urlsplit(value).scheme in POSTGRESQL:
        return value
    raise Unreadable("must be sqlite:///path/to/file or postgresql://user:password@host:port/name")


def _keys(value: str) -> tuple[bytes, ...]:
    return tuple(_key(text) for text in value.replace("\n", ",").split(",") if text.strip())


def _key(text: str) -> bytes:
    try:
        # Both alphabets are in use for keys; the two differ in two characters only.
        octets = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        octets = b""
    if len(octets) != KEY_OCTETS:
        raise Unreadable(f"must be a comma list of base64 keys, each of {KEY_OCTETS} octets")
    return octets


def _secret_key(value: str) -> str:
    if value and len(value) < 32:
        raise Unreadable("must have at least 32 characters")
    return value


DECLARATION: tuple[Declared, ...] = (
    Declared(
        "CHAPPE_DATA_DIR", "path", "./chappe-data", "Where the embedded database and generated keys are kept.", _path
    ),
    Declared(
        "CHAPPE_DATABASE_URL",
        "URL",
        "",
        "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host:port/name. "
        "Empty: chappe.sqlite3 in the data directory.",
        _database_url,
        secret=True,
    ),
    Declared(
        "CHAPPE_KEYS",
        "base64 keys, comma list",
        "",
        "Keys of 32 octets that encrypt the secrets of connections: the first encrypts, all decrypt. "
        "Empty: one is made and kept in the data directory, in the file keys.",
        _keys,
        secret=True,
    ),
    Declared(
        "CHAPPE_SECRET_KEY",
        "text",
        "",
        "Signs sessions and forms; 32 characters or more. "
        "Empty: one is made and kept in the data directory, in the file secret-key.",
        _secret_key,
        secret=True,
    ),
    Declared("CHAPPE_HOST", "address", "127.0.0.1", "Address the web process listens on.", _text),
    Declared("CHAPPE_PORT", "port", "8025", "Port the web process listens on.", _port),
    Declared(
        "CHAPPE_ALLOWED_HOSTS",
        "names, comma list",
        "localhost,127.0.0.1,[::1]",
        "Host names that requests may be addressed to; .example.org stands for a domain and all below it, * for any.",
        _names,
    ),
    Declared(
        "CHAPPE_TRUSTED_ORIGINS",
        "origins, comma list",
        "",
        "Origins (https://chappe.example.org) whose forms are accepted when a proxy in front changes the scheme.",
        _names,
    ),
    Declared(
        "CHAPPE_TRUSTED_PROXIES",
        "addresses, comma list",
        "",
        "Proxies in front, by address or network, whose X-Forwarded-For and -Proto are believed: limits and the audit "
        "trail then go by the caller's own address. Empty: nobody's are.",
        _networks,
    ),
    Declared(
        "CHAPPE_PUBLIC_URL",
        "address",
        "",
        "Where providers reach this installation from outside, such as https://chappe.example.org. The addresses of hooks "
        "begin with it, and providers sign them with it. Empty: nothing is told to providers about where to report, and "
        "signatures are checked with the address that a call itself names.",
        _public_url,
    ),
    Declared(
        "CHAPPE_LINK_URL",
        "address",
        "",
        "What short links begin with where links in texts are followed, such as https://go.example.org: a short name that "
        "leads to this installation. Empty: CHAPPE_PUBLIC_URL; where that is empty, too, links cannot be followed.",
        _link_url,
    ),
    Declared(
        "CHAPPE_EGRESS_CEILING",
        "networks and hosts, comma list",
        "*",
        "Private networks (10.1.0.0/16) and host names that connections and callbacks of any organisation may be allowed to "
        "call; each still lists those it needs. *: any. Empty: none, so that public addresses alone are called.",
        _listing,
    ),
    Declared(
        "CHAPPE_MAIL_URL",
        "URL",
        "",
        "Where invitations and password links are sent from: smtp://user:password@host:587 (with STARTTLS), "
        "smtps://user:password@host:465, or smtp://host:25?tls=no. Empty: no mail is sent, and people hand links over.",
        _mail_url,
        secret=True,
    ),
    Declared("CHAPPE_MAIL_FROM", "address", "chappe@localhost", "The sender of that mail.", _text),
    Declared(
        "CHAPPE_OIDC_URL",
        "URL",
        "",
        "An OpenID Connect provider that people may sign in by, such as https://login.example.org/realms/staff; its "
        "/.well-known/openid-configuration says the rest. Who signs in so needs an account with the same verified address.",
        _public_url,
    ),
    Declared("CHAPPE_OIDC_CLIENT_ID", "text", "", "What that provider knows this installation by.", _text),
    Declared("CHAPPE_OIDC_CLIENT_SECRET", "text", "", "The secret that goes with it.", _text, secret=True),
    Declared("CHAPPE_OIDC_NAME", "text", "OpenID Connect", "What the button of the sign-in page calls it.", _text),
    Declared(
        "CHAPPE_METRICS_TOKEN",
        "text",
        "",
        "When set, /metrics is answered only to requests that carry it as a bearer token.",
        _text,
        secret=True,
    ),
    Declared(
        "CHAPPE_LANGUAGE",
        "word",
        "en",
        "Language of pages where the browser asks for none we speak.",
        _one_of(*LANGUAGES),
        choices=LANGUAGES,
    ),
    Declared(
        "CHAPPE_LOG_LEVEL",
        "word",
        "info",
        "Least important level of log lines to write.",
        _one_of(*LOG_LEVELS),
        choices=LOG_LEVELS,
    ),
)


class Configuration(msgspec.Struct, frozen=True):
    """The settings of a process, read and complete. Its `repr` shows no secret."""

    data_dir: Path
    database_url: str
    keys: tuple[bytes, ...]
    secret_key: str
    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    trusted_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    public_url: str
    link_url: str
    mail_url: str
    mail_from: str
    oidc_url: str
    oidc_client_id: str
    oidc_client_secret: str
    oidc_name: str
    egress_ceiling: str
    metrics_token: str
    language: str
    log_level: str

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "Configuration":
        """Read everything from `environ`, or raise ConfigError naming each value that cannot be read.

        Keys that nobody gave are made in the data directory, readable by their owner alone, and found there next time.
        """
        values = _read_all(environ)
        data_dir = values["data_dir"]
        assert isinstance(data_dir, Path)
        if not values["database_url"]:
            values["database_url"] = f"sqlite:///{data_dir / 'chappe.sqlite3'}"
        if not values["keys"]:
            values["keys"] = _kept(data_dir / "keys", _new_key, _keys, "CHAPPE_KEYS")
        if not values["secret_key"]:
            values["secret_key"] = _kept(data_dir / "secret-key", _new_secret_key, _secret_key, "CHAPPE_SECRET_KEY")
        return msgspec.convert(values, cls)

    @property
    def link_base(self) -> str:
        """What short links of this installation begin with; "" where nothing is known that they could."""
        url = self.link_url or self.public_url
        return url + PATH if url else ""

    def __repr__(self) -> str:
        return f"Configuration(data_dir={str(self.data_dir)!r}, host={self.host!r}, port={self.port})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("data_dir", self.data_dir), ("host", self.host), ("port", self.port)]


def sqlite_path(url: str) -> Path | None:
    """The file that a database URL names, taken as it is written; None where the URL is not SQLite's."""
    path = url.removeprefix("sqlite:///")
    return Path(path) if path not in (url, "") else None


def declaration() -> tuple[Declared, ...]:
    """Every setting of a process, for the reference page and `--help`."""
    return DECLARATION


def _read_all(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    errors: list[FieldError] = []
    for declared in DECLARATION:
        try:
            text = _given(declared, environ)
            values[_attribute(declared)] = declared.read(declared.default if text is None else text)
        except Unreadable as error:
            errors.append(FieldError(declared.name, str(error)))
    if errors:
        raise ConfigError(errors)
    return values


def _attribute(declared: Declared) -> str:
    return declared.name.removeprefix("CHAPPE_").lower()


def _given(declared: Declared, environ: Mapping[str, str]) -> str | None:
    """What the environment says, itself or by the file it names; None where it says nothing."""
    value = environ.get(declared.name)
    filename = environ.get(f"{declared.name}_FILE") if declared.secret else None
    if value is not None and filename is not None:
        raise Unreadable(f"is given twice: keep {declared.name} or {declared.name}_FILE")
    if filename is None:
        return value.strip() if value is not None else None
    try:
        text = Path(filename).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Unreadable(f"the file {filename} that {declared.name}_FILE names cannot be read") from None
    if not text:
        raise Unreadable(f"the file {filename} that {declared.name}_FILE names is empty")
    return text


def _kept(path: Path, make: Callable[[], str], read: Callable[[str], Value], name: str) -> Value:
    """The secret that `path` keeps, made first where there is none yet."""
    try:
        if not path.exists():
            _keep(path, make())
        text = path.read_text(encoding="utf-8").strip()
        if not text:
            raise Unreadable("is empty")
        return read(text)
    except OSError as error:
        reason = f"is not given, and {path} cannot be used to keep one: {error.strerror}"
    except (Unreadable, UnicodeDecodeError):
        reason = f"is not given, and what {path} keeps cannot be read"
    raise ConfigError([FieldError(name, reason)])


def _keep(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all; whoever comes second uses what the first wrote."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp: nobody but the owner may read
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        Path(temporary).unlink()


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_OCTETS)).decode()


def _new_secret_key() -> str:
    return secrets.token_urlsafe(50)
