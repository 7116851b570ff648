"""What the demo needs in the database: at first tables, an organisation, a key, a connection (prints the key); at the end,
with `--link`, an invitation for whoever looks at the console (prints its path)."""

import sys
import time

from chappe.cli.demo import REPLY, SHORT_CODE
from chappe.cli.installation import installation, migrate


def main() -> None:
    installation()
    if sys.argv[1] == "--link":
        invite()
    else:
        furnish(int(sys.argv[1]))


def invite() -> None:
    from django.urls import reverse

    from chappe.features.accounts import invitation

    made = invitation.invite_first(int(time.time() * 1000))
    print(reverse("accounts:invitation", args=[made.token]))  # noqa: T201 - the parent process reads it


def furnish(port: int) -> None:
    """Everything that a delivery by the SMSC at `port` needs."""
    migrate()
    from chappe.features.accounts import services as accounts
    from chappe.features.connections import services as connections

    now_ms = int(time.time() * 1000)
    organisation = accounts.create_organisation("Demo", now_ms)
    key = accounts.create_api_key(organisation, "demo", accounts.SCOPES, now_ms)
    connections.create_connection(
        organisation.pk,
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
    print(key.secret)  # noqa: T201 - the parent process reads it


if __name__ == "__main__":
    main()
