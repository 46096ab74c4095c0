"""SMS over a direct SMPP 3.4 link."""

import itertools
import secrets
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import answer_codes, carrier_codes, coded
from carloan_notify.delivery.http import WireFault
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.smpp.link import USUAL, Link, Role, Timers
from carloan_notify.delivery.providers.smpp.pdus import (
    GENERIC_NACK,
    RESPONSE,
    SUBMIT_SM,
    of_answer,
    status_name,
    submitted_id,
    written,
)
from carloan_notify.delivery.providers.smpp.returns import Mailbox, SmppReturns
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.gsm import Encoded, encode
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushRequest, SendResult

WITH_HEADER: Final = 0x40
UCS2: Final = 8
INTERNATIONAL, NAME, ISDN = 1, 5, 1
RECEIPT_WANTED: Final = 1
MOST_PARTS: Final = 10
"""No message of ours has more; a longer text is a template gone wrong and is refused before it leaves."""
PATIENCE_S: Final = (0.5, 1.0, 2.0)
"""Pauses before a later part is tried again that was certainly not taken; the first has left already."""
_ANSWERS: Final = frozenset({SUBMIT_SM | RESPONSE, GENERIC_NACK})
_CERTAIN: Final = frozenset({Outcome.RETRYABLE, Outcome.THROTTLED})


class SmppSms:
    """A direct link. Safe for many threads; links are bound when needed and unbound with the interpreter."""

    batch_limit = 1
    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.PULL, bounds_delivery=True)

    def __init__(
        self,
        name: str,
        settings: SmppSettings,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], object] = time.sleep,
        timers: Timers = USUAL,
    ) -> None:
        self._name = name
        self._settings = settings
        self._sleep = sleep
        self._codes = answer_codes("smpp")
        self._mailbox = Mailbox()
        one = settings.bind == "transceiver"
        self._timers = timers
        role: Role = "bind_transceiver" if one else "bind_transmitter"
        self._out = Link(role, settings, self._codes, self._mailbox, timers)
        self._back = self._out if one else Link("bind_receiver", settings, self._codes, self._mailbox, timers)
        self._returns = SmppReturns(
            name,
            carrier_codes("smpp"),
            clock,
            region=settings.phone_region,
            zone=ZoneInfo(settings.time_zone),
            ids=settings.receipt_ids,
        )
        self._references = itertools.count(secrets.randbelow(256))
        weakref.finalize(self, _farewell, self._mailbox, self._out, self._back)

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        return self._name

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""
        return self._settings.serves

    def batch_key(self, message: OutboundMessage) -> str:  # noqa: ARG002 - the contract's
        """Any messages may share a call."""
        return ""

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One submit_sm per message or part; `provider_ref` is the id that its receipt will name."""
        return [self._sent(message) for message in batch]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """Not asked: few SMSCs still answer query_sm, and fewer for long."""
        return [LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="no_look_up") for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:  # noqa: ARG002 - the contract's
        """Pushes nothing over HTTP."""
        return Refused(404, "no_push")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - an SMSC keeps what it owes
        """What the SMSC delivers now. Asking with a page's cursor answers for that page: it is on disk."""
        self._mailbox.confirm(cursor)
        session = self._back.bound()
        if isinstance(session, WireFault):
            return ReturnPage(problems=(f"{self._name}: {session.code}",))
        page, units = self._mailbox.take(self._timers.receive)
        read = self._returns.read(units)
        return ReturnPage(
            read.receipts, read.replies, read.problems, cursor=page, more=bool(units), unread=read.unread
        )

    def check(self) -> list[CheckResult]:
        """Binds; nothing else can be looked at."""
        rows = [_bound("sending", self._out)]
        if self._back is not self._out:
            rows.append(_bound("receiving", self._back))
        return rows

    def _sent(self, message: OutboundMessage) -> SendResult:
        encoded = encode(message.text)
        units = self._units(message, encoded)
        if len(encoded.parts) > MOST_PARTS:
            detail = f"{len(encoded.parts)} parts; at most {MOST_PARTS} leave"
            return SendResult(message.message_id, Outcome.REJECTED, code="too_many_parts", detail=detail)
        result = self._asked(message, units[0])
        for number, unit in enumerate(units[1:], start=2):
            if result.outcome is not Outcome.ACCEPTED:
                return result
            result = self._later(message, unit, f"{number}_of_{len(units)}")
        return result

    def _later(self, message: OutboundMessage, unit: dict[str, Any], place: str) -> SendResult:
        """A part after the first. The message cannot be unsent, so a part that stays out leaves it UNKNOWN."""
        result = self._asked(message, unit)
        for pause_s in PATIENCE_S:
            if result.outcome not in _CERTAIN:
                break
            self._sleep(pause_s)
            result = self._asked(message, unit)
        if result.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            return result
        detail = f"part {place} did not leave: {result.code}"
        return SendResult(message.message_id, Outcome.UNKNOWN, code="sent_in_part", detail=detail)

    def _asked(self, message: OutboundMessage, unit: dict[str, Any]) -> SendResult:
        end = self._out.ask(lambda sequence: written("submit_sm", sequence, **unit))
        if isinstance(end, WireFault):
            return SendResult(message.message_id, end.outcome, code=end.code)
        if end.command not in _ANSWERS:
            return SendResult(message.message_id, Outcome.UNKNOWN, code="answer_to_something_else")
        reference = of_answer(submitted_id(end), self._settings.receipt_ids)
        status = status_name(end.status)
        return coded(message.message_id, status, self._codes.get(status), reference)

    def _units(self, message: OutboundMessage, encoded: Encoded) -> list[dict[str, Any]]:
        """The fields of each submit_sm. The last asks for the receipt: it stands for the whole."""
        coding = {"data_coding": UCS2 if encoded.ucs2 else 0}
        shared = {**self._addresses(message), **_validity(message), **coding}
        parts = encoded.parts
        if len(parts) == 1:
            return [{**shared, "short_message": parts[0], "registered_delivery": RECEIPT_WANTED}]
        if self._settings.long_messages == "payload":
            return [{**shared, "message_payload": b"".join(parts), "registered_delivery": RECEIPT_WANTED}]
        reference = next(self._references) % 256
        return [
            {
                **shared,
                "esm_class": WITH_HEADER,
                "short_message": bytes([5, 0, 3, reference, len(parts), number]) + part,
                "registered_delivery": RECEIPT_WANTED if number == len(parts) else 0,
            }
            for number, part in enumerate(parts, start=1)
        ]

    def _addresses(self, message: OutboundMessage) -> dict[str, Any]:
        sender, settings = self._settings.sender, self._settings
        digits = sender.removeprefix("+")
        name = not digits.isdecimal() and bool(sender)
        ton = INTERNATIONAL if sender.startswith("+") else NAME if name else 0
        return {
            "source_addr_ton": ton if settings.sender_ton is None else settings.sender_ton,
            "source_addr_npi": (0 if name or not sender else ISDN)
            if settings.sender_npi is None
            else settings.sender_npi,
            "source_addr": digits,
            "dest_addr_ton": INTERNATIONAL,
            "dest_addr_npi": ISDN,
            "destination_addr": message.phone.removeprefix("+"),
        }


def _validity(message: OutboundMessage) -> dict[str, str]:
    """Until when the SMSC may try, an absolute time in UTC (SMPP 3.4, 7.1.1), as Kannel writes it."""
    if message.expires_at is None:
        return {}
    return {"validity_period": message.expires_at.astimezone(UTC).strftime("%y%m%d%H%M%S000+")}


def _bound(what: str, link: Link) -> CheckResult:
    end = link.bound()
    if isinstance(end, WireFault):
        return CheckResult(f"credentials ({what})", CheckVerdict.WRONG, end.code)
    return CheckResult(f"credentials ({what})", CheckVerdict.OK, "the SMSC lets us bind")


def _farewell(mailbox: Mailbox, *links: Link) -> None:
    mailbox.put_off_all()
    for link in links:
        link.close()
