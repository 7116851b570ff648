"""May this address be called? Asked of every outgoing socket, of the very address that is then connected to."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.engine.configuration import ANY_NETWORK
from chappe.messaging import ChappeError
from chappe.providers.smpp_settings import allowed_networks, networks_problem

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


def listing_problem(text: str) -> str | None:
    """What is wrong with a list of networks and hosts; None where nothing is."""
    return None if text.strip() == ANY_NETWORK else networks_problem(text)


class EgressDenied(ChappeError):
    """The address may not be called; names the host, the address, and the setting that would allow it.

    `forbidden_by`: whose rule keeps a connection from allowing it, "" where it simply does not.
    """

    def __init__(self, host: str, address: str, forbidden_by: str = "") -> None:
        self.host, self.address = host, address
        self.is_the_host = host == address
        """The host was given by its address, so there is no other name to allow it by."""
        self.fact = (
            f"{host} is a private or reserved address"
            if self.is_the_host
            else f"{host} leads to {address}, a private or reserved address"
        )
        self.forbidden_by = forbidden_by
        its = "network" if self.is_the_host else "network or host"
        advice = f"list its {its} under 'Private networks allowed' if that is meant"
        super().__init__(f"{self.fact}; {f'{forbidden_by} do not let it be called' if forbidden_by else advice}")


class HostNotFound(ChappeError):
    """The name has no address."""


@dataclass(frozen=True)
class Bound:
    """What connections may allow themselves at all: no other private network or host. `owner` says whose rule it is."""

    owner: str
    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, owner: str) -> "tuple[Bound, ...]":
        """The rule that `text` lists; none where it says `ANY_NETWORK`. Raises ValueError for an entry that is neither
        network nor host."""
        if text.strip() == ANY_NETWORK:
            return ()
        networks, hosts = allowed_networks(text)
        return (cls(owner, tuple(networks), tuple(hosts)),)

    def covers(self, listed: "Network | str") -> bool:
        """Whether a connection may list this network, or this host."""
        if isinstance(listed, str):
            return listed in self.hosts
        return any(
            # Of one version, which the checker does not see from the comparison.
            network.version == listed.version and listed.subnet_of(network)  # type: ignore[arg-type]
            for network in self.networks
        )


@dataclass(frozen=True)
class EgressPolicy:
    """Networks and host names that may be called although they are not public, as far as every bound lets them be."""

    networks: Sequence[Network] = ()
    hosts: Sequence[str] = ()
    bounds: tuple[Bound, ...] = ()

    @classmethod
    def of(cls, text: str, bounds: tuple[Bound, ...] = ()) -> "EgressPolicy":
        """What a list of networks and hosts allows. Raises ValueError for an entry that is neither."""
        networks, hosts = allowed_networks(text)
        return cls(tuple(networks), tuple(hosts), bounds)

    def check(self, host: str, address: Address) -> None:
        """Raise EgressDenied unless `address`, to which `host` leads, may be called."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if _lists(self, host, address):
            forbidding = next((bound for bound in self.bounds if not _lists(bound, host, address)), None)
            if forbidding is None:
                return
            if not _is_public(address):
                raise EgressDenied(host, str(address), forbidding.owner)
        if not _is_public(address):
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


def _lists(rule: EgressPolicy | Bound, host: str, address: Address) -> bool:
    return host.lower() in rule.hosts or any(
        address in network for network in rule.networks if network.version == address.version
    )


def _is_public(address: Address) -> bool:
    is_denied = any(address in network for network in _DENIED if network.version == address.version)
    return address.is_global and not address.is_multicast and not is_denied
