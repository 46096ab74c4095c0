"""What an SMSC delivers: receipts by their text or optional parameters, and replies, long ones joined."""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import ByCode, Carried, public_code
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.delivery.providers.smpp.pdus import (
    MESSAGE_STATE,
    NOT_NOW,
    OK,
    RECEIPTED_ID,
    SAR_NUMBER,
    SAR_REFERENCE,
    SAR_TOTAL,
    Delivered,
    ProtocolError,
    ReceiptIds,
    Unit,
    answered,
    delivered,
    of_answer,
    of_receipt,
)
from carloan_notify.delivery.vendor import UnreadableRecordError, as_page, read_each
from carloan_notify.gsm import decode_septets
from carloan_notify.phones import e164
from carloan_notify.records import Receipt, Reply

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


# Receipts and replies between their arrival and the moment when they are on disk.
#
# An SMSC keeps a deliver_sm until it is answered. It is answered with ESME_ROK when the caller asks for the page
# after the one that held it, because only then it is on disk. What nobody fetches in time is put off, and the
# SMSC sends it again later; what a lost link leaves unanswered likewise. So nothing is lost, and a few come twice.

LONGEST_HOLD_S: Final = 30.0
"""Before an SMSC loses its patience with an answer; 60 s is usual."""
MOST_HELD: Final = 1000
PAGE: Final = 500
GAP_S: Final = 0.05
"""An SMSC sends its window at once; a pause this long means that it waits for answers."""


class Line(Protocol):
    """Where a deliver_sm came from and its answer goes."""

    @property
    def alive(self) -> bool:
        """Whether an answer can still be sent."""

    def tell(self, octets: bytes) -> None:
        """Send an answer; a lost connection is not an error."""


@dataclass(frozen=True, slots=True)
class Held:
    """A deliver_sm that is not answered yet."""

    line: Line
    unit: Unit
    since: float


class Mailbox:
    """What came and is not answered. Safe for many threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._held: list[Held] = []
        self._handed: dict[str, list[Held]] = {}
        self._pages = 0

    def put(self, line: Line, unit: Unit) -> None:
        """Keep it until it is fetched; put it off when there are too many."""
        with self._changed:
            kept = len(self._held) < MOST_HELD
            if kept:
                self._held.append(Held(line, unit, self._monotonic()))
                self._changed.notify_all()
        if not kept:
            _answer(line, unit, NOT_NOW)

    def take(self, wait_s: float) -> tuple[str, list[Unit]]:
        """A page and its name, after at most `wait_s` seconds; an empty page has no name."""
        deadline = self._monotonic() + wait_s
        with self._changed:
            while not self._arrived() and (left := deadline - self._monotonic()) > 0:
                self._changed.wait(left)
            while len(self._held) < PAGE and self._held and self._changed.wait(GAP_S):
                pass
            page, self._held = self._held[:PAGE], self._held[PAGE:]
            if not page:
                return "", []
            self._pages += 1
            name = str(self._pages)
            self._handed[name] = page
            return name, [held.unit for held in page]

    def confirm(self, name: str) -> None:
        """Answer a page that is on disk; an unknown name is of another process."""
        with self._changed:
            page = self._handed.pop(name, [])
        for held in page:
            _answer(held.line, held.unit, OK)

    def put_off_overdue(self) -> None:
        """Put off what nobody fetched in time."""
        latest = self._monotonic() - LONGEST_HOLD_S
        with self._changed:
            overdue = [held for held in self._held if held.since <= latest]
            self._held = [held for held in self._held if held.since > latest]
        for held in overdue:
            _answer(held.line, held.unit, NOT_NOW)

    def put_off_all(self) -> None:
        """At the end: what was never fetched, and what was fetched and never confirmed."""
        with self._changed:
            left = [*self._held, *(held for page in self._handed.values() for held in page)]
            self._held, self._handed = [], {}
        for held in left:
            _answer(held.line, held.unit, NOT_NOW)

    def _arrived(self) -> bool:
        """Whether anything waits; what came over a line that is gone will come again."""
        self._held = [held for held in self._held if held.line.alive]
        return bool(self._held)


def _answer(line: Line, unit: Unit, status: int) -> None:
    if line.alive:
        line.tell(answered("deliver_sm_resp", unit.sequence, status))
