"""Who is let in, and whose receipts go where."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.simulator.client import bound, connect, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.smpp import BindKind, CommandStatus

QUICK = Quirks(receipt_delay_ms=0)


@in_loop
async def test_anybody_may_bind_where_no_accounts_are_set() -> None:
    async with Simulator() as smsc, bound(smsc, system_id="a"), bound(smsc, system_id="b", password=""):
        assert smsc.stats().binds_accepted == 2


@in_loop
async def test_only_accounts_may_bind_where_some_are_set() -> None:
    async with Simulator(Quirks(accounts={"esme": "secret"})) as smsc, bound(smsc):
        stranger = await connect(smsc, system_id="stranger")
        liar = await connect(smsc, password="wrong")
        assert stranger.bind_status == CommandStatus.ESME_RINVSYSID
        assert liar.bind_status == CommandStatus.ESME_RINVPASWD
        assert smsc.stats().binds_refused == {"ESME_RINVSYSID": 1, "ESME_RINVPASWD": 1}
        stranger.close()
        liar.close()


@in_loop
async def test_the_first_binds_are_refused_as_often_as_asked() -> None:
    async with Simulator(Quirks(bind_refusals=2, bind_refusal_status="ESME_RSYSERR")) as smsc:
        tries = [await connect(smsc) for _ in range(3)]
        assert [one.bind_status for one in tries] == [CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RSYSERR, 0]
        for one in tries:
            one.close()


@in_loop
async def test_one_system_id_may_have_no_more_links_than_allowed() -> None:
    async with Simulator(Quirks(most_links=1)) as smsc, bound(smsc), bound(smsc, system_id="other"):
        second = await connect(smsc)
        assert second.bind_status == CommandStatus.ESME_RALYBND
        second.close()


@in_loop
async def test_many_links_share_the_receipts_of_their_system_id_evenly() -> None:
    async with Simulator(QUICK) as smsc, bound(smsc, BindKind.TRANSMITTER) as sender:
        receivers = [await connect(smsc, BindKind.RECEIVER) for _ in range(10)]
        async with bound(smsc, system_id="other") as other:
            sender.submit(numbers(100))
            for receiver in receivers:
                await receiver.delivered(10)
            assert [len(receiver.deliveries) for receiver in receivers] == [10] * 10
            assert not sender.deliveries
            assert not other.deliveries
        for receiver in receivers:
            receiver.close()


@in_loop
async def test_receipts_wait_until_somebody_receives() -> None:
    async with Simulator(QUICK) as smsc, bound(smsc, BindKind.TRANSMITTER) as sender:
        sender.submit(numbers(5))
        await sender.answered()
        async with bound(smsc, BindKind.RECEIVER) as receiver:
            await receiver.delivered(5)
            await sender.settled()
        assert smsc.stats().receipts_sent == 5


@in_loop
async def test_what_a_lost_link_did_not_answer_goes_to_the_next() -> None:
    async with Simulator(QUICK) as smsc:
        async with bound(smsc) as first:
            first.answer_with = lambda delivery: None
            first.submit(numbers(5))
            await first.delivered(5)
        async with bound(smsc) as second:
            await second.delivered(5)
            assert {one["id"] for one in second.receipts()} == set(first.ids.values())
        assert smsc.stats().deliveries.sent_again == 5


@in_loop
async def test_no_more_receipts_wait_for_an_answer_than_the_receipt_window() -> None:
    async with Simulator(Quirks(receipt_delay_ms=0, receipt_window=3)) as smsc, bound(smsc) as client:
        client.answer_with = lambda delivery: None
        client.submit(numbers(10))
        await client.delivered(3)
        await client.settled()
        assert len(client.deliveries) == 3
        client.answer(client.deliveries[:2])
        await client.delivered(5)
        await client.settled()
        assert len(client.deliveries) == 5
        assert smsc.stats().deliveries.held == 5


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return certificate_path, key_path


@in_loop
async def test_links_speak_tls_with_a_certificate(tmp_path: Path) -> None:
    certificate_path, key_path = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate_path))
    quirks = Quirks(tls_certificate=str(certificate_path), tls_key=str(key_path), receipt_delay_ms=0)
    async with Simulator(quirks) as smsc, bound(smsc, tls=context) as client:
        client.submit(numbers(3))
        await client.delivered(3)
