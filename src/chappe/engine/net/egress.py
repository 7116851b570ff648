"""May this address be called? Asked of every outgoing socket, of the very address that is then connected to."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.messaging import ChappeError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What `is_global` lets through and must not: translated and shared ranges that lead back into private networks.
_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "fec0::/10",
        "192.88.99.0/24",
    )
)


class EgressDenied(ChappeError):
    """The address may not be called; names the host, the address, and the setting that would allow it."""

    def __init__(self, host: str, address: str) -> None:
        self.host, self.address = host, address
        self.is_the_host = host == address
        """The host was given by its address, so there is no other name to allow it by."""
        self.fact = (
            f"{host} is a private or reserved address"
            if self.is_the_host
            else f"{host} leads to {address}, a private or reserved address"
        )
        its = "network" if self.is_the_host else "network or host"
        super().__init__(f"{self.fact}; list its {its} under 'Private networks allowed' if that is meant")


class HostNotFound(ChappeError):
    """The name has no address."""


@dataclass(frozen=True)
class EgressPolicy:
    """Networks and host names that may be called although they are not public."""

    networks: Sequence[Network] = ()
    hosts: Sequence[str] = ()

    def check(self, host: str, address: Address) -> None:
        """Raise EgressDenied unless `address`, to which `host` leads, may be called."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if host.lower() in self.hosts or any(
            address in network for network in self.networks if network.version == address.version
        ):
            return
        is_public = address.is_global and not address.is_multicast
        if not is_public or any(address in network for network in _DENIED if network.version == address.version):
            raise EgressDenied(host, str(address))

    async def resolve(self, host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        """The addresses of `host` that may be called, in the resolver's order. One forbidden address forbids the host:
        a name that leads to both kinds is being played with."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the latter for a name with an empty label, or a very long one
            raise HostNotFound(f"the name {host} could not be looked up: {error}") from error
        allowed = []
        for family, _, _, _, place in found:
            self.check(host, ipaddress.ip_address(str(place[0]).partition("%")[0]))
            allowed.append((socket.AddressFamily(family), (str(place[0]), port)))
        return allowed
