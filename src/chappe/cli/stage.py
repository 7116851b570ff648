"""What the demo needs in the database: tables, an organisation, a key and a connection (prints the key); on mid an operator as
well (prints its key); and with `link`, at the end, an invitation for whoever looks at the console (prints its path)."""

import sys
import time

from chappe.cli.demo import ACCOUNT, OPERATOR, REPLY, SHORT_CODE
from chappe.cli.installation import installation, migrate


def main() -> None:
    installation()
    match sys.argv[1:]:
        case ["link"]:
            invite()
        case ["smsc", port]:
            furnish(int(port))
        case ["mid", port]:
            furnish(int(port), is_mid=True)
        case ["marketing", url, key]:
            furnish_marketing(url, key)


def invite() -> None:
    from django.urls import reverse

    from chappe.features.accounts import invitation

    made = invitation.invite_first(int(time.time() * 1000))
    print(reverse("accounts:invitation", args=[made.token]))  # noqa: T201 - the parent process reads it


def furnish(port: int, *, is_mid: bool = False) -> None:
    """Everything that a delivery by the SMSC at `port` needs; on mid, an operator for the other installation as well."""
    organisation_id, key = _organisation("Demo")
    from chappe.features.connections import services as connections

    now_ms = int(time.time() * 1000)
    made = connections.create_connection(
        organisation_id,
        "Bundled SMSC",
        "smpp",
        {
            "implementation_name": "Simulator",
            "host": "127.0.0.1",
            "port": port,
            "account": "demo",
            "password": "demo",
            "allowed_networks": "127.0.0.0/8",
            "window": 200,
            "reconnect_s": 1,
            "short_code": SHORT_CODE,
            "id_format_in_acknowledgement": "hexadecimal",
            "id_format_in_receipt": "decimal",
            "receipt_id_pattern": r"(?i)\bid:([0-9]{1,20})\b",  # this provider's ids are longer than the default's ten
            "retry_delay_s": 1,
            "retry_limit": 1,
            "automatic_replies": [
                {"keyword": "STOP", "short_code": "", "reply": REPLY, "action": "send_to_quarantine"},
            ],
        },
        now_ms,
    )
    print(key)  # noqa: T201 - the parent process reads it
    if is_mid:
        from chappe.features.accounts import operator as operators

        name = connections.Change(internal_name=f"{OPERATOR}_{ACCOUNT}")
        connections.change_connection(organisation_id, made.pk, name, now_ms)
        found = operators.create_operator(organisation_id, OPERATOR, "Marketing", ["administration"], now_ms)
        made_key = operators.add_key(organisation_id, found.pk, "marketing", now_ms)
        print(made_key.secret)  # noqa: T201 - the parent process reads it


def furnish_marketing(mid_url: str, key: str) -> None:
    """An account with the mid at `mid_url`."""
    organisation_id, own = _organisation("Demo")
    from chappe.features.connections import services as connections

    settings = {
        "internal_name": ACCOUNT,
        "base_url": mid_url,
        "operator": OPERATOR,
        "password": key,
        "allowed_networks": "127.0.0.0/8",
    }
    connections.create_connection(organisation_id, "Mid", "relay", settings, int(time.time() * 1000))
    print(own)  # noqa: T201 - the parent process reads it


def _organisation(name: str) -> tuple[int, str]:
    """Tables, an organisation, and a key of it."""
    migrate()
    from chappe.features.accounts import services as accounts

    now_ms = int(time.time() * 1000)
    organisation = accounts.create_organisation(name, now_ms)
    return organisation.pk, accounts.create_api_key(organisation, "demo", accounts.SCOPES, now_ms).secret


if __name__ == "__main__":
    main()
