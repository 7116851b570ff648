"""The simulated HTTP providers against software of the vendors' own: their official Python SDKs send to them, read their
errors, and check the hooks that they sign.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import infobip_api_client
import messagebird
import pytest
import vonage
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from message_media_messages.configuration import Configuration as MessageMediaConfiguration
from message_media_messages.exceptions.api_exception import APIException
from message_media_messages.exceptions.send_messages_400_response_exception import SendMessages400ResponseException
from message_media_messages.message_media_messages_client import MessageMediaMessagesClient
from message_media_messages.models.message import Message as MessageMediaMessage
from message_media_messages.models.send_messages_request import SendMessagesRequest
from messagebird.error import ValidationError
from messagebird.http_client import HttpClient as MessageBirdHttpClient
from messagebird.request_validator import RequestValidator as MessageBirdValidator
from sinch import SinchClient
from sinch.core.exceptions import SinchException
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent
from tests.engine.certificate import issue
from tests.simulator.client import in_loop
from tests.simulator.http_client import PHONE, SID, Hook, Receiver, control, get, quirks, receiver, settled
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator as TwilioValidator
from twilio.rest import Client as TwilioClient
from vonage_http_client import HttpClientOptions
from vonage_http_client.auth import Auth as VonageAuth
from vonage_http_client.errors import AuthenticationError, HttpRequestError, RateLimitedError
from vonage_jwt import verify_signature
from vonage_messages import Sms as VonageText
from vonage_sms import SmsMessage as VonageSms
from vonage_sms.errors import SmsError

import requests
from chappe.simulator import HttpQuirks, HttpSimulator
from chappe.simulator.http_profile import change

HOOK_URL = "https://hooks.example.org/h?conn=4%202"
OWN = "+33700000001"
TEXT = "Hé, à 5 € ☺ #1"
SIGNATURE_SECRET = "a signature secret that is long enough"
APPLICATION_ID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
SIGNING_KEY = "a signing key that is long enough for any of the algorithms, HS512 included"


async def called(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """A call of an SDK, which waits for its answer: in a thread."""
    return await asyncio.to_thread(function, *arguments, **named)


def one_record(simulator: HttpSimulator) -> tuple[str, str, str]:
    """Id, recipient and text of the only message."""
    [record] = simulator.messages()
    return record.message_id, record.destination, record.text


@asynccontextmanager
async def hooked(vendor: str, **knobs: Any) -> AsyncIterator[tuple[HttpSimulator, Receiver]]:
    """A simulator whose hooks have a public URL, and come to a receiver."""
    async with receiver() as hooks:
        more = {"hook_address": hooks.address, "status_url": HOOK_URL, "inbound_url": HOOK_URL, **knobs}
        async with HttpSimulator(quirks(vendor, **more)) as simulator:
            yield simulator, hooks


async def inbound(simulator: HttpSimulator, vendor: str) -> None:
    order: dict[str, Any] = {"vendor": vendor, "from": PHONE, "to": OWN, "text": TEXT}
    assert (await control(simulator, "inbound", **order)).status == 200


# -- Twilio ----------------------------------------------------------------------------------------------------------


class ToSimulator(TwilioHttpClient):  # type: ignore[misc]
    """The SDK knows its own hosts only; this one calls the simulator with the path they would have had."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self._base), *arguments, **named)


def twilio(simulator: HttpSimulator, token: str = "simulator") -> TwilioClient:
    return TwilioClient(SID, token, http_client=ToSimulator(simulator.url("twilio")))


@in_loop
async def test_twilio_sends_and_reads_errors() -> None:
    knobs = {"refusals": [{"pattern": "99$", "code": 21610}]}
    async with HttpSimulator(quirks("twilio", **knobs)) as simulator:
        client = twilio(simulator)
        sent = await called(client.messages.create, to=PHONE, from_="+15017122661", body=TEXT)
        assert (sent.sid, PHONE, TEXT) == one_record(simulator)
        assert (sent.status, sent.num_segments, sent.error_code) == ("queued", "1", None)
        with pytest.raises(TwilioRestException) as opted_out:
            await called(client.messages.create, to="+33612345699", from_="+15017122661", body=TEXT)
        assert (opted_out.value.status, opted_out.value.code) == (400, 21610)
        with pytest.raises(TwilioRestException) as stranger:
            await called(twilio(simulator, "wrong").messages.create, to=PHONE, from_="+15017122661", body=TEXT)
        assert (stranger.value.status, stranger.value.code) == (401, 20003)
        account = await called(client.api.accounts(SID).fetch)
        assert account.status == "active"


@in_loop
async def test_twilio_s_validator_takes_our_hooks_and_no_others() -> None:
    async with hooked("twilio") as (simulator, hooks):
        client = twilio(simulator)
        await called(client.messages.create, to=PHONE, from_="+15017122661", body=TEXT, status_callback=HOOK_URL)
        await inbound(simulator, "twilio")
        for hook in await hooks.got(2):
            signature = hook.headers["x-twilio-signature"]
            assert TwilioValidator("simulator").validate(HOOK_URL, hook.fields, signature)
            assert not TwilioValidator("other").validate(HOOK_URL, hook.fields, signature)


# -- Sinch -----------------------------------------------------------------------------------------------------------


def sinch(simulator: HttpSimulator, secret: str = "simulator") -> SinchClient:
    client = SinchClient(key_id="client", key_secret=secret, project_id="project", conversation_region="eu")
    client.configuration.auth_origin = client.configuration.conversation_origin = simulator.url("sinch")
    return client


def sinch_send(client: SinchClient, to: str = PHONE, app_id: str = "app") -> Any:
    return client.conversation.messages.send_text_message(
        app_id=app_id,
        text=TEXT,
        recipient_identities=[{"channel": "SMS", "identity": to}],
        channel_properties={"SMS_SENDER": "Brand"},
        correlation_id="c-1",
        message_metadata="m-1",
    )


@in_loop
async def test_sinch_gets_a_token_sends_and_reads_errors() -> None:
    async with HttpSimulator(quirks("sinch", refusals=[{"pattern": "99$", "code": "INVALID_ARGUMENT"}])) as simulator:
        client = sinch(simulator)
        sent = await called(sinch_send, client)
        assert (sent.message_id, PHONE, TEXT) == one_record(simulator)
        for arguments in ({"to": "+33612345699"}, {"app_id": "other"}):
            with pytest.raises(SinchException):
                await called(sinch_send, client, **arguments)
        with pytest.raises(SinchException):
            await called(sinch_send, sinch(simulator, "wrong"))
        assert simulator.stats().vendors["sinch"].tokens == 1


@in_loop
async def test_sinch_tries_again_after_a_429() -> None:
    async with HttpSimulator(quirks("sinch", throttled_fraction=1, unlucky_tries=1, retry_after_s=0)) as simulator:
        await called(sinch_send, sinch(simulator))
        stats = simulator.stats()
        assert (stats.vendors["sinch"].throttled, stats.accepted) == (1, 1)


@in_loop
async def test_sinch_fetches_another_token_when_the_first_has_expired() -> None:
    async with HttpSimulator(quirks("sinch", token_lifetime_s=1)) as simulator:
        client = sinch(simulator)
        await called(sinch_send, client)
        headers = {"Authorization": f"Bearer {client.configuration.token_manager.token.access_token}"}
        end = time.monotonic() + 10
        while (await get(simulator, "/sinch/v1/projects/project/apps", headers)).status == 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        await called(sinch_send, client)
        assert (simulator.stats().vendors["sinch"].tokens, simulator.stats().accepted) == (2, 2)


@in_loop
async def test_sinch_s_validator_takes_our_hooks_and_reads_them() -> None:
    knobs = {"failures": [{"status": "FAILED", "code": "RECIPIENT_NOT_REACHABLE", "fraction": 1}]}
    async with hooked("sinch", **knobs) as (simulator, hooks):
        await called(sinch_send, sinch(simulator))
        await settled(simulator)
        await inbound(simulator, "sinch")
        report, text = await hooks.got(2)
        for hook in (report, text):
            assert ConversationSinchEvent("simulator").validate_authentication_header(hook.headers, hook.body)
            assert not ConversationSinchEvent("other").validate_authentication_header(hook.headers, hook.body)
        failed = ConversationSinchEvent("simulator").parse_event(report.body).message_delivery_report
        assert (failed.status, failed.reason.code) == ("FAILED", "RECIPIENT_NOT_REACHABLE")
        message = ConversationSinchEvent("simulator").parse_event(text.body).message
        assert message.contact_message.text_message.text == TEXT


# -- Infobip ---------------------------------------------------------------------------------------------------------


def infobip(simulator: HttpSimulator, api_key: str = "simulator") -> infobip_api_client.SmsApi:
    configuration = infobip_api_client.Configuration(host=simulator.url("infobip"), api_key=api_key)
    return infobip_api_client.SmsApi(infobip_api_client.ApiClient(configuration))


def infobip_request(to: str = "33612345678", text: str = TEXT) -> infobip_api_client.SmsRequest:
    content = infobip_api_client.SmsMessageContent(infobip_api_client.SmsTextContent(text=text))
    destination = infobip_api_client.SmsDestination(to=to)
    message = infobip_api_client.SmsMessage(sender="InfoSMS", destinations=[destination], content=content)
    return infobip_api_client.SmsRequest(messages=[message])


@in_loop
async def test_infobip_sends_and_reads_errors() -> None:
    async with HttpSimulator(quirks("infobip", refusals=[{"pattern": "99$", "code": 14}])) as simulator:
        api = infobip(simulator)
        answer = await called(api.send_sms_messages, infobip_request())
        assert (answer.messages[0].message_id, "33612345678", TEXT) == one_record(simulator)
        assert answer.messages[0].status.group_name == "PENDING"
        refused = await called(api.send_sms_messages, infobip_request("33612345699"))
        assert (refused.messages[0].status.id, refused.messages[0].status.group_name) == (14, "REJECTED")
        with pytest.raises(infobip_api_client.rest.ApiException) as stranger:
            await called(infobip(simulator, "wrong").send_sms_messages, infobip_request())
        assert stranger.value.status == 401


@in_loop
async def test_infobip_s_models_read_our_hooks() -> None:
    async with hooked("infobip") as (simulator, hooks):
        await called(infobip(simulator).send_sms_messages, infobip_request())
        await settled(simulator)
        await inbound(simulator, "infobip")
        report, text = await hooks.got(2)
        [result] = infobip_api_client.SmsDeliveryResult.from_json(report.body.decode()).results
        assert (result.status.name, result.error.name) == ("DELIVERED_TO_HANDSET", "NO_ERROR")
        [message] = infobip_api_client.SmsInboundMessageResult.from_json(text.body.decode()).results
        assert (message.var_from, message.text) == ("33612345678", TEXT)


# -- MessageMedia ----------------------------------------------------------------------------------------------------


def messagemedia(simulator: HttpSimulator, monkeypatch: pytest.MonkeyPatch, secret: str = "simulator") -> Any:
    """The SDK keeps its settings in a class."""
    monkeypatch.setattr(MessageMediaConfiguration, "base_uri", simulator.url("messagemedia"))
    monkeypatch.setattr(MessageMediaConfiguration, "basic_auth_user_name", "user")
    monkeypatch.setattr(MessageMediaConfiguration, "basic_auth_password", secret)
    return MessageMediaMessagesClient("user", secret).messages


def messagemedia_request(to: str = PHONE) -> SendMessagesRequest:
    message = MessageMediaMessage()
    message.content, message.destination_number, message.delivery_report = TEXT, to, True
    request = SendMessagesRequest()
    request.messages = [message]
    return request


@in_loop
async def test_messagemedia_sends_and_reads_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HttpSimulator() as simulator:
        messages = messagemedia(simulator, monkeypatch)
        answer = await called(messages.send_messages, messagemedia_request())
        assert (answer.messages[0].message_id, PHONE, TEXT) == one_record(simulator)
        assert answer.messages[0].status == "queued"
        with pytest.raises(SendMessages400ResponseException) as wrong:
            await called(messages.send_messages, messagemedia_request("12"))
        assert wrong.value.message == "Request was invalid"
        assert "/messages/0/destination_number: invalid" in wrong.value.context.response.raw_body
        stranger = messagemedia(simulator, monkeypatch, "wrong")
        with pytest.raises(APIException) as turned_away:
            await called(stranger.send_messages, messagemedia_request())
        assert turned_away.value.response_code == 401


# -- Vonage ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def vonage_simulator(folder: Path, monkeypatch: pytest.MonkeyPatch, **knobs: Any) -> AsyncIterator[HttpSimulator]:
    """By TLS, for the SDK speaks nothing else."""
    authority = issue("Test authority", is_authority=True)
    ca, _ = authority.write(folder, "ca")
    certificate, tls_key = issue("127.0.0.1", by=authority).write(folder, "server")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    with_tls: HttpQuirks = change(quirks("vonage", **knobs), {"tls_certificate": certificate, "tls_key": tls_key})
    async with HttpSimulator(with_tls) as simulator:
        yield simulator


def vonage_client(simulator: HttpSimulator, secret: str = "simulator", **more: Any) -> vonage.Vonage:
    host = simulator.url("vonage").removeprefix("https://")
    auth = vonage.Auth(api_key="abcd1234", api_secret=secret, **more)
    return vonage.Vonage(auth, HttpClientOptions(api_host=host, rest_host=host, max_retries=0))


@in_loop
async def test_vonage_sends_by_both_apis_and_reads_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [{"pattern": "98$", "code": 15}, {"pattern": "99$", "code": 1120}]
    async with vonage_simulator(tmp_path, monkeypatch, refusals=refusals) as simulator:
        client = vonage_client(simulator)
        sms = VonageSms(to="33612345678", from_="Acme", text=TEXT, type="unicode")
        answer = await called(client.sms.send, sms)
        assert (answer.messages[0].message_id, "33612345678", TEXT) == one_record(simulator)
        with pytest.raises(SmsError, match="error code 15"):
            await called(client.sms.send, VonageSms(to="33612345698", from_="Acme", text=TEXT))
        sent = await called(client.messages.send, VonageText(to="33612345678", from_="Acme", text=TEXT))
        assert sent.message_uuid == simulator.messages()[0].message_id
        with pytest.raises(HttpRequestError) as refused:
            await called(client.messages.send, VonageText(to="33612345699", from_="Acme", text=TEXT))
        assert refused.value.response.status_code == 422
        stranger = vonage_client(simulator, "wrong")
        with pytest.raises(SmsError, match="error code 4"):
            await called(stranger.sms.send, sms)
        with pytest.raises(AuthenticationError):
            await called(stranger.messages.send, VonageText(to="33612345678", from_="Acme", text=TEXT))
        assert (await called(client.account.get_balance)).value > 0


@in_loop
async def test_vonage_reads_that_it_is_too_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vonage_simulator(tmp_path, monkeypatch, throttled_fraction=1, unlucky_tries=0) as simulator:
        client = vonage_client(simulator)
        with pytest.raises(SmsError, match="error code 1: Throughput"):
            await called(client.sms.send, VonageSms(to="33612345678", from_="Acme", text=TEXT))
        with pytest.raises(RateLimitedError):
            await called(client.messages.send, VonageText(to="33612345678", from_="Acme", text=TEXT))


@in_loop
async def test_vonage_sends_with_the_token_of_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    account = {"application_id": APPLICATION_ID, "public_key": public_key}
    async with vonage_simulator(tmp_path, monkeypatch, account=account) as simulator:
        host = simulator.url("vonage").removeprefix("https://")
        options = HttpClientOptions(api_host=host, rest_host=host, max_retries=0)
        text = VonageText(to="33612345678", from_="Acme", text=TEXT)
        mine, stranger = (
            vonage.Vonage(vonage.Auth(application_id=APPLICATION_ID, private_key=pem(one)), options)
            for one in (key, other)
        )
        assert (await called(mine.messages.send, text)).message_uuid == simulator.messages()[0].message_id
        with pytest.raises(AuthenticationError):
            await called(stranger.messages.send, text)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@in_loop
async def test_the_signature_of_vonage_s_sdk_is_not_the_documented_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SDK 4.9 hashes the fields that it leaves out as the text None."""
    async with vonage_simulator(tmp_path, monkeypatch, account={"signature_secret": SIGNATURE_SECRET}) as simulator:
        client = vonage_client(simulator, signature_secret=SIGNATURE_SECRET, signature_method="sha256")
        with pytest.raises(SmsError, match="error code 14"):
            await called(client.sms.send, VonageSms(to="33612345678", from_="Acme", text=TEXT))


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
@in_loop
async def test_vonage_s_sdk_checks_our_signatures(method: str) -> None:
    account = {"signature_secret": SIGNATURE_SECRET, "signature_method": method}
    async with hooked("vonage", account=account) as (simulator, hooks):
        await inbound(simulator, "vonage")
        [hook] = await hooks.got(1)
        right, wrong = (
            VonageAuth(api_key="abcd1234", signature_secret=secret, signature_method=method)
            for secret in (SIGNATURE_SECRET, "another")
        )
        assert right.check_signature(hook.fields)
        assert not wrong.check_signature(hook.fields)


@in_loop
async def test_vonage_s_sdk_checks_our_tokens() -> None:
    account = {"signature_secret": SIGNATURE_SECRET, "inbound_api": "messages"}
    async with hooked("vonage", account=account) as (simulator, hooks):
        await inbound(simulator, "vonage")
        [hook] = await hooks.got(1)
        token = hook.headers["authorization"].removeprefix("Bearer ")
        assert verify_signature(token, SIGNATURE_SECRET)
        assert not verify_signature(token, SIGNATURE_SECRET + "x")


# -- MessageBird -----------------------------------------------------------------------------------------------------


def bird(simulator: HttpSimulator, key: str = "simulator") -> messagebird.Client:
    return messagebird.Client(key, MessageBirdHttpClient(f"{simulator.url('messagebird')}/", key, "test"))


@in_loop
async def test_messagebird_sends_and_reads_errors() -> None:
    async with HttpSimulator(quirks("messagebird", refusals=[{"pattern": "99$", "code": 25}])) as simulator:
        client = bird(simulator)
        sent = await called(client.message_create, "Brand", "33612345678", TEXT, {"datacoding": "auto"})
        assert (sent.id, "33612345678", TEXT) == one_record(simulator)
        assert sent.recipients["items"][0].status == "sent"
        for other, to, code in ((client, "33612345699", 25), (client, "x", 9), (bird(simulator, "wrong"), PHONE, 2)):
            with pytest.raises(messagebird.client.ErrorException) as caught:
                await called(other.message_create, "Brand", to, TEXT)
            assert [error.code for error in caught.value.errors] == [code]
        assert (await called(client.balance)).payment == "prepaid"


@in_loop
async def test_messagebird_raises_for_a_429() -> None:
    async with HttpSimulator(quirks("messagebird", throttled_fraction=1)) as simulator:
        with pytest.raises(requests.HTTPError, match="429"):
            await called(bird(simulator).message_create, "Brand", "33612345678", TEXT)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@in_loop
async def test_messagebird_s_validator_takes_our_hooks_and_no_others(algorithm: str) -> None:
    async with hooked("messagebird", account={"signing_key": SIGNING_KEY, "algorithm": algorithm}) as (
        simulator,
        hooks,
    ):
        await called(bird(simulator).message_create, "Brand", "33612345678", TEXT, {"reference": "r-1"})
        await inbound(simulator, "messagebird")
        for hook in await hooks.got(2):
            token, url = hook.headers["messagebird-signature-jwt"], public(hook)
            assert MessageBirdValidator(SIGNING_KEY).validate_signature(token, url, hook.body)["iss"] == "MessageBird"
            for key, other_url in ((SIGNING_KEY + "x", url), (SIGNING_KEY, url + "x")):
                with pytest.raises(ValidationError):
                    MessageBirdValidator(key).validate_signature(token, other_url, hook.body)


def public(hook: Hook) -> str:
    """The URL of a hook as the vendor knows it."""
    return f"https://{hook.headers['host']}{hook.target}"
