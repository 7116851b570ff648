"""E-mail addresses as people write them, to the one way that we keep them."""

import re
from email.utils import parseaddr

LONGEST = 254
"""Characters of an address: what a path of RFC 5321 (4.5.3.1.3) leaves for it."""
LONGEST_LOCAL = 64

# The atoms of RFC 5322 (3.2.3), and letters beyond ASCII (RFC 6531). Quoted local parts are left out: nobody has one.
_ATOM = r"[^\s\x00-\x20\x7f-\x9f\"(),.:;<>@\[\\\]]+"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*\.(?!\d+$){_LABEL})")


def read_email(text: str) -> str:
    """The address, in small letters and without spaces around it; "" where it is none.

    Small letters also before the @, where the standard tells them apart and no provider does: one person is not to get a
    message twice, nor after a no, because of a capital.
    """
    address = text.strip().lower()
    if len(address) > LONGEST:
        return ""
    found = _ADDRESS.fullmatch(address)
    return address if found and len(found["local"]) <= LONGEST_LOCAL else ""


def sender_email(text: str) -> str:
    """The address of whoever sent an e-mail, which may stand beside a name: Jane Doe <jane@example.org>; "" for none."""
    return read_email(parseaddr(text)[1])
