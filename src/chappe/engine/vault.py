"""Secrets at rest: each is encrypted with a key of its own, and that key with one of the process's keys.

Changing the process's keys therefore rewrites 48 octets a secret, never the secret itself. What was sealed for one
place (one connection of one organisation) opens nowhere else, so a row copied into another organisation stays closed.

    octets  1        8        12      48             12      n + 16
            version  key id   nonce   sealed key     nonce   sealed secret         (AES-256-GCM, SP 800-38D)
"""

import hashlib
import os
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chappe.messaging import ChappeError
from chappe.rules.link import LinkSigner

VERSION = b"\x01"
ID_OCTETS = 8
NONCE_OCTETS = 12
KEY_OCTETS = 32
TAG_OCTETS = 16

_KEY_AT = len(VERSION) + ID_OCTETS
_SECRET_AT = _KEY_AT + NONCE_OCTETS + KEY_OCTETS + TAG_OCTETS


class Sealed(ChappeError):
    """A secret that these keys do not open; the text says which of the reasons it is, and nothing of the secret."""


class Vault:
    """A ring of keys: the first seals, all of them open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a vault needs a key")
        self._ring = {_id_of(key): AESGCM(key) for key in keys}
        self._first = _id_of(keys[0])
        self._keys = tuple(keys)

    def __repr__(self) -> str:
        return f"Vault({', '.join(key_id.hex() for key_id in self._ring)})"

    def encrypt(self, secrets: Mapping[str, str], place: str) -> bytes:
        """Seal `secrets` for `place`, which must be given again, letter for letter, to open them."""
        data_key = AESGCM.generate_key(KEY_OCTETS * 8)
        sealed = _seal(AESGCM(data_key), msgspec.json.encode(secrets), place.encode())
        return self._wrap(data_key, place) + sealed

    def decrypt(self, sealed: bytes, place: str) -> dict[str, str]:
        """What was sealed for `place`; no octets at all are no secrets. Raises Sealed."""
        if not sealed:
            return {}
        try:
            plain = _open(AESGCM(self._unwrap(sealed, place)), sealed[_SECRET_AT:], place.encode())
        except InvalidTag:
            raise Sealed("the secrets were changed since they were sealed, or sealed for another place") from None
        return msgspec.json.decode(plain, type=dict[str, str])

    def derived(self, purpose: str) -> list[bytes]:
        """Keys for something else, one for each of the ring in its order: they tell nothing of those here."""
        return [hashlib.blake2b(purpose.encode(), digest_size=KEY_OCTETS, key=key).digest() for key in self._keys]

    def needs_rotation(self, sealed: bytes) -> bool:
        """Whether another key than the first sealed it, so that key cannot be given up yet."""
        return bool(sealed) and not sealed.startswith(VERSION + self._first)

    def rotate(self, sealed: bytes, place: str) -> bytes:
        """The same secrets under the first key, without looking at them. Raises Sealed."""
        if not self.needs_rotation(sealed):
            return sealed
        try:
            return self._wrap(self._unwrap(sealed, place), place) + sealed[_SECRET_AT:]
        except InvalidTag:
            raise Sealed("the secrets were changed since they were sealed, or sealed for another place") from None

    def _wrap(self, data_key: bytes, place: str) -> bytes:
        header = VERSION + self._first
        return header + _seal(self._ring[self._first], data_key, header + place.encode())

    def _unwrap(self, sealed: bytes, place: str) -> bytes:
        if sealed[: len(VERSION)] != VERSION or len(sealed) < _SECRET_AT + NONCE_OCTETS + TAG_OCTETS:
            raise Sealed("this is nothing that a vault sealed")
        key_id = sealed[len(VERSION) : _KEY_AT]
        key = self._ring.get(key_id)
        if key is None:
            raise Sealed(f"the key {key_id.hex()} that sealed the secrets is not among the keys given to this process")
        return _open(key, sealed[_KEY_AT:_SECRET_AT], sealed[:_KEY_AT] + place.encode())


def connection_place(organisation_id: int, connection_id: int) -> str:
    """Where the secrets of a connection belong."""
    return f"organisation/{organisation_id}/connection/{connection_id}"


def callback_place(organisation_id: int, endpoint_id: int) -> str:
    """Where the secrets of a customer's endpoint belong."""
    return f"organisation/{organisation_id}/callback/{endpoint_id}"


def hook_place(organisation_id: int, hook_id: int) -> str:
    """Where the secret of a hook belongs."""
    return f"organisation/{organisation_id}/hook/{hook_id}"


def relay_place(organisation_id: int, connection_id: int) -> str:
    """Where the secret belongs that calls to another Chappe are signed with, which sends through this connection."""
    return f"organisation/{organisation_id}/relay/{connection_id}"


def link_signer(vault: Vault) -> LinkSigner:
    """Makes and reads the short links of an installation."""
    return LinkSigner(vault.derived("links"))


def _id_of(key: bytes) -> bytes:
    """Names a key without telling anything of it."""
    return hashlib.sha256(b"chappe key id\0" + key).digest()[:ID_OCTETS]


def _seal(key: AESGCM, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE_OCTETS)
    return nonce + key.encrypt(nonce, plain, context)


def _open(key: AESGCM, sealed: bytes, context: bytes) -> bytes:
    return key.decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], context)
