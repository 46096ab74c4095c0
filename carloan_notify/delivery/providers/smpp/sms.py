"""SMS over a direct SMPP 3.4 link, and what comes back over it."""

import itertools
import re
import secrets
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import ByCode, Carried, answer_codes, carrier_codes, coded, public_code
from carloan_notify.delivery.http import WireFault
from carloan_notify.delivery.provider import (
    Adapter,
    Capabilities,
    CheckResult,
    CheckVerdict,
    ReceiptMode,
    ReturnPage,
)
from carloan_notify.delivery.providers.smpp.link import USUAL, Link, Role, Timers
from carloan_notify.delivery.providers.smpp.pdus import (
    GENERIC_NACK,
    MESSAGE_STATE,
    RECEIPTED_ID,
    RESPONSE,
    SAR_NUMBER,
    SAR_REFERENCE,
    SAR_TOTAL,
    SUBMIT_SM,
    Delivered,
    Mailbox,
    ProtocolError,
    ReceiptIds,
    Unit,
    delivered,
    of_answer,
    of_receipt,
    status_name,
    submitted_id,
    written,
)
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.vendor import UnreadableRecordError, as_page, read_each
from carloan_notify.gsm import Encoded, decode_septets, encode
from carloan_notify.phones import e164
from carloan_notify.records import OutboundMessage, Outcome, Receipt, Reply, SendResult

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


class SmppSms(Adapter):
    """A direct link. Safe for many threads; links are bound when needed and unbound with the interpreter."""

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
        super().__init__(name, settings)
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

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One submit_sm per message or part; `provider_ref` is the id that its receipt will name."""
        return [self._sent(message) for message in batch]

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


# What an SMSC delivers: receipts by their text or optional parameters, and replies, long ones joined.

_KIND: Final = 0x3C
_RECEIPT: Final = 0x04
_INTERMEDIATE: Final = 0x20
_HEADER_FIRST: Final = 0x40
_INTERNATIONAL: Final = 1
_CHARSETS: Final = {1: "ascii", 3: "latin-1", 6: "iso8859-5", 7: "iso8859-8", 8: "utf-16-be"}
_RECEIPT_TEXT: Final = re.compile(r"\bid:(?P<id>\S+)(?=.*\bstat:(?P<state>[A-Za-z]+))", re.DOTALL)
_DONE: Final = re.compile(r"\bdone date:(\d{10}(?:\d\d)?)\b")
_ERROR: Final = re.compile(r"\berr:(\w{1,8})\b")
_NO_ERROR: Final = re.compile(r"0*")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a reply. `whole` is the number of pieces; `reference` is the telephone's."""

    phone: str = field(repr=False)
    reference: int
    whole: int
    number: int
    text: str = field(repr=False)


class SmppReturns:
    """Reads deliver_sm. Pure but for the clock: SMPP dates no reply."""

    def __init__(
        self,
        provider: str,
        codes: ByCode[Carried],
        clock: Callable[[], datetime],
        *,
        region: str,
        zone: ZoneInfo,
        ids: ReceiptIds,
    ) -> None:
        """`region`: country of numbers without a country code. `zone`: of the times in receipts."""
        self._provider = provider
        self._codes = codes
        self._clock = clock
        self._region = region
        self._zone = zone
        self._ids = ids

    def read(self, units: Iterable[Unit]) -> ReturnPage:
        """One page; what cannot be read is a problem, with the units as they came."""
        came: list[Receipt | Part]
        came, unread = read_each(units, self._read)
        receipts = [one for one in came if isinstance(one, Receipt)]
        replies = joined(one for one in came if isinstance(one, Part))
        return as_page(
            [*receipts, *(Reply(self._provider, "", phone, text, self._clock()) for phone, text in replies)],
            (f"{self._provider}: {why}" for _, _, why in unread),
            b"".join(unit.raw for _, unit, _ in unread),
        )

    def _read(self, unit: Unit) -> Receipt | Part | None:
        try:
            message = delivered(unit)
        except ProtocolError:
            raise UnreadableRecordError("a deliver_sm whose fields do not fit its length") from None
        kind = message.esm_class & _KIND
        if kind == _INTERMEDIATE:
            return None
        text = message.octets.decode("latin-1")
        told = _RECEIPT_TEXT.search(text)
        if kind & _RECEIPT or (told and not kind and RECEIPTED_ID in message.options):
            return self._receipt(message, text, told)
        return self._part(message)

    def _receipt(self, message: Delivered, text: str, told: re.Match[str] | None) -> Receipt | None:
        options = message.options
        named = options.get(RECEIPTED_ID, b"").rstrip(b"\0").decode("latin-1")
        reference = named or (told["id"] if told else "")
        state = told["state"].upper() if told else f"state_{int.from_bytes(options.get(MESSAGE_STATE, b''))}"
        if not reference or not (told or MESSAGE_STATE in options):
            raise UnreadableRecordError("a receipt without an id or a state")
        carried = self._codes.get(state) or Carried(delivered=False, reason="")
        if not carried.final:
            return None
        error = _ERROR.search(text)
        code = f"{state}:{error[1]}" if error and not _NO_ERROR.fullmatch(error[1]) else state
        return Receipt(
            provider=self._provider,
            provider_ref=of_answer(named, self._ids) if named else of_receipt(reference, self._ids),
            message_id="",
            delivered=carried.delivered,
            code=public_code(code),
            detail=carried.reason,
            occurred_at=self._done(text),
            blocked=carried.blocked,
            dead=carried.dead,
        )

    def _done(self, text: str) -> datetime:
        found = _DONE.search(text)
        if found is None:
            return self._clock()
        form = "%y%m%d%H%M%S" if len(found[1]) > len("yymmddhhmm") else "%y%m%d%H%M"
        try:
            return datetime.strptime(found[1], form).replace(tzinfo=self._zone).astimezone(UTC)
        except ValueError:
            return self._clock()

    def _part(self, message: Delivered) -> Part:
        plus = "+" if message.source_ton == _INTERNATIONAL and not message.source.startswith("+") else ""
        phone = e164(plus + message.source, self._region)
        if phone is None:
            raise UnreadableRecordError("a reply whose sender is no telephone number")
        octets, place = message.octets, _options_place(message)
        if message.esm_class & _HEADER_FIRST:
            header, octets = (
                octets[1 : 1 + octets[0]] if octets else b"",
                octets[1 + octets[0] :] if octets else b"",
            )
            place = _header_place(header) or place
        text = _text(octets, message.data_coding)
        if text is None:
            raise UnreadableRecordError("a reply in an alphabet that is not known")
        return Part(phone, *place, text)


def joined(parts: Iterable[Part]) -> list[tuple[str, str]]:
    """Phone and text of each reply, in order of their first parts.

    A long reply of which a part is missing comes as the parts that are there, joined by a mark of omission:
    half a "do not send" is better than none.
    """
    groups: dict[tuple[str, int, int], dict[int, str]] = {}
    for place, part in enumerate(parts):
        alone = part.whole <= 1
        key = (part.phone, -1 - place if alone else part.reference, part.whole)
        groups.setdefault(key, {})[part.number] = part.text
    return [(phone, _whole(texts, whole)) for (phone, _, whole), texts in groups.items()]


def _whole(texts: dict[int, str], whole: int) -> str:
    there = "".join(texts[number] for number in sorted(texts))
    return there if len(texts) >= whole else f"{there} […]"


def _options_place(message: Delivered) -> tuple[int, int, int]:
    reference, whole, number = (
        int.from_bytes(message.options.get(tag, b"")) for tag in (SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER)
    )
    return reference, max(1, whole), max(1, number)


def _header_place(header: bytes) -> tuple[int, int, int] | None:
    """Reference, pieces and place from a user data header (3GPP TS 23.040, 9.2.3.24), None without them."""
    place = 0
    while place + 2 <= len(header):
        element, length = header[place], header[place + 1]
        value = header[place + 2 : place + 2 + length]
        if element in (0x00, 0x08) and len(value) == length >= 3:  # noqa: PLR2004 - 8-bit or 16-bit reference, then two
            return int.from_bytes(value[:-2]), max(1, value[-2]), value[-1]
        place += 2 + length
    return None


def _text(octets: bytes, data_coding: int) -> str | None:
    if data_coding == 0:
        return decode_septets(octets)
    charset = _CHARSETS.get(data_coding)
    return octets.decode(charset, "replace") if charset else None
