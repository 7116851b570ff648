"""Which addresses may be called: everything that leads inwards is refused, however it is written."""

import asyncio
import ipaddress
import socket
from typing import Any

import pytest
from tests.engine.link_end import Listener, endpoint, owner

from chappe.engine.net.egress import Bound, EgressDenied, EgressPolicy, HostNotFound
from chappe.engine.net.smpp_client import Link, connect

STRICT = EgressPolicy()

INWARDS = [
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "::7f00:1",
    "::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:101::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2001:10::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
]
OUTWARDS = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "169.255.0.1",
    "2606:4700::1111",
    "2a00:1450:4007::1",
    "::ffff:8.8.8.8",
    "198.17.255.255",
    "198.20.0.1",
]


@pytest.mark.parametrize("address", INWARDS)
def test_an_address_that_leads_inwards_is_denied(address: str) -> None:
    with pytest.raises(EgressDenied) as denied:
        STRICT.check("smsc.example", ipaddress.ip_address(address))
    assert denied.value.host == "smsc.example"
    assert "Private networks allowed" in str(denied.value)


def test_a_host_given_by_its_address_is_named_once() -> None:
    with pytest.raises(EgressDenied) as denied:
        STRICT.check("127.0.0.1", ipaddress.ip_address("127.0.0.1"))
    assert str(denied.value).count("127.0.0.1") == 1


@pytest.mark.parametrize("address", OUTWARDS)
def test_a_public_address_may_be_called(address: str) -> None:
    STRICT.check("smsc.example", ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_network_that_is_allowed_may_be_called_in_either_way_of_writing_it(address: str) -> None:
    policy = EgressPolicy(networks=(ipaddress.ip_network("10.1.0.0/16"),))
    policy.check("smsc.example", ipaddress.ip_address(address))
    with pytest.raises(EgressDenied):
        policy.check("smsc.example", ipaddress.ip_address("10.2.0.1"))


def test_a_host_that_is_allowed_may_be_anywhere_and_only_that_host() -> None:
    policy = EgressPolicy(hosts=("smsc.intern",))
    policy.check("SMSC.intern", ipaddress.ip_address("10.1.2.3"))
    with pytest.raises(EgressDenied):
        policy.check("evil.smsc.intern", ipaddress.ip_address("10.1.2.3"))


def resolve(policy: EgressPolicy, host: str, *answers: str) -> list[str]:
    """What the policy gives for a name that leads to `answers`; the system is asked when there are none."""

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        if answers:
            loop.getaddrinfo = Resolver(answers)  # type: ignore[method-assign,assignment]
        return [place[0] for _, place in await policy.resolve(host, 2775)]

    return asyncio.run(run())


class Resolver:
    """A name server that answers as it likes: one address after another when asked again."""

    def __init__(self, answers: tuple[str, ...], *, turns: bool = False) -> None:
        self.answers, self.turns, self.asked = answers, turns, 0

    async def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        answers = (self.answers[(self.asked - 1) % len(self.answers)],) if self.turns else self.answers
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answers
        ]


def test_a_name_gives_its_addresses_in_order() -> None:
    assert resolve(STRICT, "smsc.example", "8.8.8.8", "2606:4700::1111") == ["8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize("answers", [("8.8.8.8", "127.0.0.1"), ("10.0.0.1", "8.8.8.8"), ("8.8.8.8", "fe80::1%eth0")])
def test_a_name_that_leads_both_ways_is_denied_as_a_whole(answers: tuple[str, ...]) -> None:
    with pytest.raises(EgressDenied):
        resolve(STRICT, "smsc.example", *answers)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0x7f.1", "0", "[::1]", "localhost"],
)
def test_an_inward_address_in_disguise_is_denied_or_no_name_at_all(host: str) -> None:
    """Whatever the system makes of it: the address that would be connected to is the one that is looked at."""
    with pytest.raises((EgressDenied, HostNotFound)):
        resolve(STRICT, host)


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64 + ".example", "a b", "smsc.invalid"])
def test_what_is_no_name_is_not_found(host: str) -> None:
    with pytest.raises(HostNotFound):
        resolve(STRICT, host)


def test_the_address_that_was_looked_at_is_the_one_connected_to() -> None:
    """A name server that gives a public address first and an inward one afterwards is asked once."""

    async def run() -> None:
        async with Listener() as inside:
            loop = asyncio.get_running_loop()
            resolver = Resolver(("192.0.2.77", "127.0.0.1"), turns=True)
            loop.getaddrinfo = resolver  # type: ignore[method-assign,assignment]
            called: list[Any] = []

            async def sock_connect(connection: socket.socket, address: Any) -> None:
                called.append(address)
                raise ConnectionRefusedError("nobody is there")

            loop.sock_connect = sock_connect  # type: ignore[method-assign,assignment]
            policy = EgressPolicy(networks=(ipaddress.ip_network("192.0.2.0/24"),))
            link = Link(endpoint(port=inside.port, host="smsc.example", egress=policy), owner())
            with pytest.raises(ConnectionRefusedError):
                await connect(link)
            link.close("refused")
            assert called == [("192.0.2.77", inside.port)]
            assert resolver.asked == 1
            assert inside.connections == 0

    asyncio.run(run())


# -- bounds ------------------------------------------------------------------------------------------------------------


def bounded(*texts: str) -> tuple[Bound, ...]:
    return sum((Bound.of(text, f"rule {number}") for number, text in enumerate(texts)), ())


def test_what_is_listed_may_be_called_as_far_as_every_bound_lets_it() -> None:
    policy = EgressPolicy.of(
        "10.0.0.0/8, smsc.intern", bounded("10.1.0.0/16, smsc.intern", "*", "10.0.0.0/8, 192.168.0.0/16")
    )
    policy.check("a.example", ipaddress.ip_address("10.1.2.3"))
    policy.check("smsc.intern", ipaddress.ip_address("10.1.2.3"))
    for host, address, rule in (
        ("a.example", "10.2.0.1", "rule 0"),
        ("smsc.intern", "172.16.0.1", "rule 2"),
    ):
        with pytest.raises(EgressDenied) as denied:
            policy.check(host, ipaddress.ip_address(address))
        assert denied.value.forbidden_by == rule
        assert f"{rule} do not let it be called" in str(denied.value)


def test_a_bound_allows_nothing_that_is_not_listed_and_forbids_nothing_public() -> None:
    policy = EgressPolicy.of("8.8.8.0/24", bounded("10.0.0.0/8"))
    policy.check("dns.example", ipaddress.ip_address("8.8.8.8"))
    with pytest.raises(EgressDenied) as denied:
        policy.check("a.example", ipaddress.ip_address("10.1.2.3"))
    assert not denied.value.forbidden_by


@pytest.mark.parametrize(
    ("text", "listed", "is_covered"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("fd00::/8", "fd12::/16", True),
        ("::/0", "10.0.0.0/8", False),
        ("", "127.0.0.1/32", False),
    ],
)
def test_a_network_is_covered_by_one_that_holds_all_of_it(text: str, listed: str, is_covered: bool) -> None:
    (bound,) = bounded(text)
    assert bound.covers(ipaddress.ip_network(listed)) is is_covered


def test_a_host_is_covered_by_its_name_alone() -> None:
    (bound,) = bounded("10.0.0.0/8, smsc.intern")
    assert bound.covers("smsc.intern")
    assert not bound.covers("other.intern")
