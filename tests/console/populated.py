"""An organisation with an object of every kind, each of whose names carries the same mark: what is found of it on a page is
told from what belongs to others. And the address of every page, with the numbers of these objects in it."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from tests import row
from tests.console import browser

from chappe.engine.store.relay_catalogue import relayed
from chappe.features.accounts import invitation, operator, people
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation, User
from chappe.features.accounts.right import Right, Role
from chappe.features.audit.models import AuditEvent
from chappe.features.callbacks import services as callbacks
from chappe.features.callbacks.models import CallbackEvent
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection, ErrorQualification, OrphanReceipt
from chappe.features.consent import ledger
from chappe.features.consent import services as consent
from chappe.features.consent.models import Quarantine
from chappe.features.contacts import services as contacts
from chappe.features.contacts.models import Contact
from chappe.features.deliveries import proof
from chappe.features.deliveries import services as deliveries
from chappe.features.hooks import services as hooks
from chappe.features.inbox.models import Conversation
from chappe.features.messages.models import Exchange
from chappe.features.relay import services as relay
from chappe.features.relay.models import RelayLink
from chappe.features.templates import services as templates
from chappe.features.traces import services as traces
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.messaging import DeliveryState
from chappe.smpp import CommandId, Pdu, encode

SMSC = {"host": "smsc.example.org", "account": "relais", "password": "pa55word", "source_number": "36180"}
VENDOR = {"account_sid": "AC" + "1" * 32, "auth_token": "s3cret-token", "sender": "+33600000000"}
CUSTOM = {"url": "https://gateway.example.org/send", "payload": '{"to": "{{toNumber}}", "text": "{{message}}"}'}
HANDING_OVER = {"internal_name": "crm", "base_url": "http://127.0.0.1:9", "operator": "sms", "password": "pa55word12"}
MAIL = {"url": "https://esp.example.org/send"}
CALL = '{"from": "{{ProfileNumber}}", "to": "{{InboundNumber}}", "text": "{{InboundMessage}}"}'


@dataclass
class Populated:
    """The organisation, somebody of each role, and the number of the object that each argument of an address names."""

    organisation: Organisation
    mark: str
    phone: str
    people: dict[str, User]
    ids: dict[str, Any]
    key: str
    connections: dict[str, Connection]


def populate(mark: str, digit: int) -> Populated:
    """An organisation named for its mark, whose numbers end in `digit`."""
    return _Builder(mark, digit).built()


class _Builder:
    """Each step makes objects of some kinds, and notes their numbers under the names that addresses give them."""

    def __init__(self, mark: str, digit: int) -> None:
        self.mark, self.digit, self.now = mark, digit, now_ms()
        self.organisation = accounts.create_organisation(f"{mark} Ltd", self.now)
        self.own = self.organisation.pk
        self.ids: dict[str, Any] = {}
        self.message = 1000 * digit

    def phone(self, place: int = 0) -> str:
        return f"+336{place:07d}{self.digit}"

    def built(self) -> Populated:
        staff = self._people()
        key = self._keys()
        made = self._connections()
        self._hooks(made)
        self._contacts()
        self._deliveries(made["smpp"])
        self._messages(made["smpp"])
        self._traces(made["smpp"])
        self._consent()
        self._errors(made["smpp"])
        self.ids["event_id"] = AuditEvent.objects.filter(organisation_id=self.own).values_list("pk", flat=True)[0]
        return Populated(self.organisation, self.mark, self.phone(), staff, self.ids, key, made)

    def _people(self) -> dict[str, User]:
        found = {
            role.value: browser.person(self.organisation, role, email=f"{self.mark}-{role}@example.org".lower())
            for role in Role
        }
        email = f"{self.mark}-nobody@example.org".lower()
        found["nobody"] = browser.person(self.organisation, "administrator", email=email, withheld=list(Right))
        group = people.create_group(
            self.own, people.Membership(f"{self.mark} group", ["see_texts"], [found["operator"].pk])
        )
        invited = invitation.invite(self.own, f"{self.mark}-guest@example.org".lower(), "auditor", "Ada", self.now)
        self.ids |= {"person_id": found["marketer"].pk, "group_id": group.pk, "invitation_id": invited.row.pk}
        self.ids["token"] = invited.token
        return found

    def _keys(self) -> str:
        key = accounts.create_api_key(self.organisation, f"{self.mark} key", accounts.SCOPES, self.now)
        machine = operator.create_operator(self.own, f"{self.mark}-crm".lower(), f"{self.mark} CRM", ["read"], self.now)
        self.relay = operator.create_operator(
            self.own, f"{self.mark}-chappe".lower(), f"{self.mark} Chappe", ["administration"], self.now
        )
        operator.add_key(self.own, machine.pk, f"{self.mark} spare", self.now)
        self.ids |= {"key_id": key.row.pk, "operator_id": machine.pk}
        return key.secret

    def _connections(self) -> dict[str, Connection]:
        settings = {"smpp": SMSC, "twilio": VENDOR, "custom": CUSTOM, "esp": MAIL}
        made = {
            provider: connections.create_connection(self.own, f"{self.mark} {provider}", provider, values, self.now)
            for provider, values in settings.items()
        }
        smsc = made["smpp"]
        connections.change_connection(self.own, smsc.pk, connections.Change(settings={"window": 40}), self.now)
        named = connections.Change(internal_name=f"{self.relay.login}_crm")
        relay.sign_in(connections.change_connection(self.own, smsc.pk, named, self.now), self.relay, "", "", self.now)
        relay.delivery_is(smsc, 1, "pause", self.now)
        self._mid()
        row.link(smsc.pk, "bound", window=40, sent_per_s=12.5, round_trip_p50_ms=20.0, changed_ms=self.now)
        for number in (1, 2):
            self._exchange(made["twilio"], "out" if number == 1 else "in")
        self.ids |= {"connection_id": smsc.pk, "account_id": smsc.pk, "number": 1, "provider": "smpp", "kind": "csv"}
        return made

    def _mid(self) -> None:
        """A connection that hands over to a mid which may not be called."""
        found = connections.create_connection(self.own, f"{self.mark} mid", "relay", HANDING_OVER, self.now)
        RelayLink.objects.create(connection_id=found.pk, page=3, heard_ms=self.now)
        self.ids["mid_id"] = found.pk

    def _exchange(self, connection: Connection, direction: str) -> None:
        Exchange.objects.create(
            connection_id=connection.pk,
            direction=direction,
            at_ms=self.now,
            took_ms=31.5,
            method="POST",
            url=f"https://api.example.org/{self.mark}",
            request="To=•••&Body=•••",
            status=201,
            response='{"sid": "SM1"}',
            outcome="accepted SM1",
        )

    def _hooks(self, made: Mapping[str, Connection]) -> None:
        hook = hooks.create_hook(
            self.own,
            made["custom"].pk,
            "inbound",
            hooks.Change(name=f"{self.mark} hook", payload=CALL),
            self.now,
        )
        self._exchange(made["custom"], "in")
        callback = callbacks.create_endpoint(self.own, f"https://{self.mark}.example.org/hear".lower(), self.now).row
        for dead_ms in (0, self.now):
            CallbackEvent.objects.create(
                endpoint_id=callback.pk,
                type="message.delivered",
                at_ms=self.now,
                due_ms=self.now,
                give_up_ms=self.now,
                attempts=3,
                dead_ms=dead_ms,
                last_status=500,
            )
        self.ids |= {"hook_id": hook.pk, "callback_id": callback.pk}

    def _contacts(self) -> None:
        self.list = contacts.create_list(self.own, f"{self.mark} customers", self.now)
        lines = [f"{self.mark}-{n},{self.phone(n)},{self.mark} Person {n}" for n in range(3)]
        text = "\n".join(["external_id,phone,name", *lines, f"{self.mark}-bad,12,Nobody"])
        options = contacts.ImportOptions(default_region="FR")
        contacts.import_csv(self.own, self.list, io.BytesIO(text.encode()), options, filename=f"{self.mark}-people.csv")
        kept = contacts.keep_file(
            self.own, self.list.pk, io.BytesIO(text.encode()), options, f"{self.mark}-next.csv", self.now
        )
        person = Contact.objects.filter(organisation_id=self.own).order_by("pk")[0]
        self.ids |= {"list_id": self.list.pk, "contact_id": person.pk, "import_id": kept.pk}

    def _deliveries(self, connection: Connection) -> None:
        draft = deliveries.Draft(
            label=f"{self.mark} June",
            list_id=self.list.pk,
            connection_id=connection.pk,
            sender="36180",
            body=f"{self.mark} {{{{ name }}}}",
        )
        found = deliveries.create_delivery(self.own, draft, self.now)
        deliveries.analyse_now(self.own, found.pk, self.now)
        deliveries.create_delivery(self.own, draft, self.now)
        names = templates.Change(label=f"{self.mark} template")
        kept = templates.keep_delivery(self.own, found.pk, names, self.now)
        number = proof.keep_number(self.own, self.phone(8), f"{self.mark} tester")
        self.ids |= {"delivery_id": found.pk, "template_id": kept.pk, "number_id": number.pk}

    def _messages(self, connection: Connection) -> None:
        given = {
            "connection_id": connection.pk,
            "recipient": self.phone(),
            "body": f"{self.mark} code 4711",
            "created_ms": self.now,
        }
        states = (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.WAITING)
        for place, state in enumerate(states, self.message):
            of = relayed(connection.pk, 1) if state is DeliveryState.DELIVERED else 0
            row.message(self.own, place, state=state, due_ms=self.now, sent_ms=self.now, delivery_id=of, **given)
            row.segment(
                place, state=state, connection_id=connection.pk, provider_message_id=f"{self.mark}{place}", code="001"
            )
            row.event(place, "deferred", f"{self.mark}: throttled", self.now)
        row.inbound(
            self.own,
            self.message,
            sender=self.phone(),
            connection_id=connection.pk,
            body=f"{self.mark} question?",
        )
        talk = Conversation.objects.create(
            organisation_id=self.own,
            number=self.phone(),
            connection_id=connection.pk,
            recipient="36180",
            last_inbound_id=self.message,
            last_ms=self.now,
        )
        self.ids |= {"message_id": self.message, "inbound_id": self.message, "conversation_id": talk.pk}

    def _traces(self, connection: Connection) -> None:
        session = traces.start_trace(self.own, connection.pk, traces.Wanted(5), None, self.now)
        values = {"destination_addr": self.phone().encode(), "short_message": f"{self.mark} code".encode()}
        entry = TraceEntry.objects.create(
            session=session,
            at_ms=self.now,
            direction="out",
            kind="pdu",
            role="transceiver",
            link=1,
            content=encode(Pdu(CommandId.SUBMIT_SM, 0, 7, values)),
        )
        TraceSession.objects.filter(pk=session.pk).update(entries=1)
        self.ids |= {"session_id": session.pk, "entry_id": entry.pk, "form": "json"}

    def _consent(self) -> None:
        consent.add_to_quarantine(self.own, consent.Block(self.phone(7), reason=f"{self.mark} complained"), self.now)
        wish = ledger.Wish(self.phone(6), is_given=False, evidence=f"{self.mark} wrote STOP")
        ledger.record_wish(self.own, wish, self.now)
        self.ids["quarantine_id"] = Quarantine.objects.filter(organisation_id=self.own).order_by("pk")[0].pk

    def _errors(self, connection: Connection) -> None:
        error = ErrorQualification.objects.create(
            organisation_id=self.own,
            text=f"SR {self.mark} UNDELIV 001|#MESSAGE#",
            first_text=f"SR {self.mark} UNDELIV 001|absent",
            kind="soft",
            occurrences=3,
            first_ms=self.now,
            last_ms=self.now,
        )
        OrphanReceipt.objects.create(
            connection_id=connection.pk, provider_message_id=f"{self.mark}99", first_ms=self.now, last_ms=self.now
        )
        self.ids |= {"error_id": error.pk, "qualification_id": error.pk}


# -- addresses ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """A pattern of the resolver: as it is written, its view, and the names of its arguments."""

    route: str
    pattern: URLPattern

    @property
    def view(self) -> Any:
        return self.pattern.callback

    @property
    def rule(self) -> Any:
        return getattr(self.view, "rule", None)

    @property
    def arguments(self) -> list[str]:
        return list(self.pattern.pattern.regex.groupindex)

    def filled(self, ids: Mapping[str, Any]) -> str:
        """The address with these arguments; KeyError names the one that nobody has thought of."""
        path = ARGUMENT.sub(lambda found: str(ids[found["path"] or found["regex"]]), self.route)
        return "/" + re.sub(r"[\\\\^$]", "", path)


ARGUMENT = re.compile(r"<\w+:(?P<path>\w+)>|\(\?P<(?P<regex>\w+)>[^)]*\)")


def addresses() -> Iterator[Address]:
    """Every address that the control plane answers."""
    yield from _walked(get_resolver(), "")


def _walked(resolver: URLResolver, before: str) -> Iterator[Address]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield Address(route, one)
        else:
            yield from _walked(one, route)


def pages() -> list[Address]:
    """Those of the console's own pages."""
    return [one for one in addresses() if one.rule is not None]
