"""Links: TLS with certificates of every kind, log-ins that are refused or never answered, what is shown and traced."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from tests.engine.certificate import issue
from tests.engine.house import House, in_loop, quirks, until
from tests.engine.link_end import Listener, endpoint, owner

from chappe.engine.net.egress import EgressDenied, EgressPolicy
from chappe.engine.net.smpp_client import Link, connect
from chappe.messaging import DeliveryState
from chappe.simulator import Simulator

DELIVERED = DeliveryState.DELIVERED


@pytest.fixture
def url(sqlite_url: str, bound: Callable[[str], None]) -> str:
    bound(sqlite_url)
    return sqlite_url


# -- TLS ---------------------------------------------------------------------------------------------------------------


@dataclass
class Papers:
    """What a provider shows: paths of certificate and key; and the authority that we trust."""

    certificate: str
    key: str
    trust: str


KINDS = ("right", "another name", "expired", "of nobody")


@pytest.fixture
def papers(request: pytest.FixtureRequest, tmp_path: Path) -> Papers:
    authority = issue("Relais CA", is_authority=True, days=3650)
    trust, _ = authority.write(tmp_path, "authority")
    made = {
        "right": lambda: issue("127.0.0.1", by=authority),
        "another name": lambda: issue("smsc.example", by=authority),
        "expired": lambda: issue("127.0.0.1", by=authority, days=-1),
        "of nobody": lambda: issue("127.0.0.1"),
    }[request.param]()
    return Papers(*made.write(tmp_path, "provider"), trust)


ACCEPTED = {
    "full": {"right"},
    "no_host_name": {"right", "another name"},
    "none": set(KINDS),
}


@pytest.mark.parametrize("verification", ACCEPTED)
@pytest.mark.parametrize("papers", KINDS, indirect=True)
@in_loop
async def test_a_certificate_is_verified_as_the_connection_says(
    papers: Papers, verification: str, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["papers"]
    async with Simulator(quirks(tls_certificate=papers.certificate, tls_key=papers.key)) as smsc:
        host = owner()
        link = Link(endpoint(port=smsc.port, tls=verification, trust=papers.trust), host)
        if kind in ACCEPTED[verification]:
            await connect(link)
            await until(lambda: link.is_bound, "the bind")
            await link.unbind()
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(link)
            link.close("refused")
            assert host.bound == 0
        await until(lambda: not smsc.links, "the end of the link")


@in_loop
async def test_an_old_version_of_tls_is_not_spoken(tmp_path: Path) -> None:
    certificate, key = issue("127.0.0.1").write(tmp_path, "provider")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    async with Listener(context=context) as peer:
        link = Link(endpoint(port=peer.port, tls="none"), owner())
        await connect(link)
        await until(lambda: peer.read, "the bind over TLS")
        assert b"secret" in peer.read
        link.close("done")


@in_loop
async def test_a_link_without_tls_to_a_peer_with_it_is_given_up_in_time(tmp_path: Path) -> None:
    async with Listener() as peer:  # and the other way round: a peer that does not know TLS
        link = Link(endpoint(port=peer.port, tls="full", bind_s=0.5), owner())
        with pytest.raises(TimeoutError):
            await connect(link)
        link.close("too slow")


# -- log-ins -----------------------------------------------------------------------------------------------------------


@in_loop
async def test_a_log_in_that_nobody_answers_is_given_up_in_time() -> None:
    async with Listener() as peer:
        host = owner()
        link = Link(endpoint(port=peer.port, bind_s=0.4), host)
        await connect(link)
        reason = await asyncio.wait_for(link.closed, 3)
        assert "within 0.4 s" in reason
        assert (host.bound, len(host.closed)) == (0, 1)


@in_loop
async def test_an_address_that_may_not_be_called_is_not_called() -> None:
    async with Listener() as peer:
        link = Link(endpoint(port=peer.port, egress=EgressPolicy()), owner())
        with pytest.raises(EgressDenied):
            await connect(link)
        link.close("denied")
        assert peer.connections == 0


@in_loop
async def test_a_peer_that_speaks_something_else_is_left() -> None:
    async with Listener(lambda data: b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        host = owner()
        link = Link(endpoint(port=peer.port), host)
        await connect(link)
        await asyncio.wait_for(link.closed, 3)
        assert host.bound == 0


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_an_endpoint_is_shown_as_people_say_it() -> None:
    assert str(endpoint(host="smsc.example.net", port=2776)) == "smsc.example.net:2776 as transceiver"


def test_a_link_shows_why_it_is_down_and_when_it_is_bound(url: str) -> None:
    house = House(url, port=1)

    @in_loop
    async def watch() -> None:
        async with house.engine(), Simulator(quirks(accounts={"relais": "another"})) as smsc:
            await until(lambda: any(reason for _, state, reason in house.links() if state == "down"), "the reason")
            house.set(port=smsc.port)
            await until(lambda: any("password" in reason.lower() for _, _, reason in house.links()), "the refusal")
            smsc.change({"accounts": {}})
            await until(lambda: house.links() == [("transceiver", "bound", "")], "the bind")
            await smsc.stop()
            await until(lambda: [state for _, state, _ in house.links()] == ["down"], "the loss")

    watch()


def test_a_link_logs_in_with_a_password_longer_than_the_standard(url: str) -> None:
    account, password = "relais-de-la-montagne", "a longer password"
    house = House(url, account=account, password=password)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks(accounts={account: password})):
            await until(lambda: house.bound() == 1, "the bind")

    watch()


def test_a_pair_shows_both_of_its_links(url: str) -> None:
    house = House(url, mode="transmitter_receiver")
    house.fill(50)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()):
            await until(
                lambda: house.links() == [("receiver", "bound", ""), ("transmitter", "bound", "")], "both links"
            )
            await until(lambda: house.in_state(DELIVERED) == 50, "the delivery of all")

    watch()


def test_a_pair_goes_on_when_one_of_its_links_is_lost(url: str) -> None:
    house = House(url, mode="transmitter_receiver")

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: house.bound() == 2, "both links")
            for number in (1, 2):
                house.fill(20)
                smsc.drop(link=smsc.links[0].number)
                await until(lambda n=number: house.in_state(DELIVERED) == 20 * n, "the delivery")  # type: ignore[misc]

    watch()


def test_a_slowed_link_is_shown_as_such(url: str) -> None:
    house = House(url)
    house.fill(50)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            smsc.throttle(6.0)
            await until(lambda: any(state == "slowed" for _, state, _ in house.links()), "the slowing", 8)
            await until(lambda: house.in_state(DELIVERED) == 50, "the delivery of all", 30)

    watch()


def test_a_refused_log_in_is_tried_again_after_the_wait(url: str) -> None:
    house = House(url, reconnect_s=0.3)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks(bind_refusals=3)) as (_, smsc):
            await until(lambda: house.bound() == 1, "the bind")
            assert smsc.stats().binds_refused == {"ESME_RBINDFAIL": 3}
            assert smsc.stats().links_opened == 4

    watch()


# -- traces ------------------------------------------------------------------------------------------------------------


def test_traces_show_no_secret_and_no_text_and_can_be_switched_while_bound(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House(url, child_connections=2, password="s3cretpw")
    text = "the text of a person"

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks(early_fraction=0.2)) as (_, smsc):
            await until(lambda: house.bound() == 2, "the binds")
            house.fill(20, text=text)
            await until(lambda: house.in_state(DELIVERED) == 20, "the delivery")
            assert "submit_sm" not in capsys.readouterr().out
            house.set(verbose_traces=True)
            await asyncio.sleep(1.5)
            house.fill(200, text=text)
            await until(lambda: house.in_state(DELIVERED) == 220, "the delivery")
            assert smsc.stats().links_opened == 2
            smsc.drop()
            await until(lambda: smsc.stats().binds_accepted == 4, "the binds")

    with structlog.testing.capture_logs() as lines:
        structlog.get_logger().log(logging.INFO, "begin")
        watch()
    traced = [str(line["pdu"]) for line in lines if line["event"] == "pdu"]
    kinds = {line.split()[0] for line in traced}
    assert {"submit_sm", "submit_sm_resp", "deliver_sm", "deliver_sm_resp", "bind_transceiver"} <= kinds
    assert sum(line.startswith("submit_sm seq") for line in traced) == 200
    assert not any("malformed" in line for line in traced)
    shown = "\n".join(traced)
    assert text not in shown
    assert "s3cretpw" not in shown
    assert "password=***" in shown
