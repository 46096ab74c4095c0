"""SMPP 3.4 on the wire, and what came over it until it is answered.

smpplib writes the units and names commands, statuses and parameters.

Its client is not used: it logs whole units at DEBUG, loses its place when a read times out half way, and
serves one thread. Nor is its reader: it makes up fields where a unit is cut off, drops the last octet of a
parameter that does not end in NUL, and stops at a parameter it does not expect.
"""

import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from carloan_notify.errors import ConfigError

try:
    from smpplib import command_codes, consts, smpp
except ModuleNotFoundError:
    raise ConfigError(
        ["delivery.providers: type smpp needs an extra; pip install 'carloan-notify[smpp]'"]
    ) from None

HEADER: Final = 16
LONGEST: Final = 128 * 1024
"""Octets; message_payload may hold 64 Ki, and nothing else comes near."""
RESPONSE: Final = 0x80000000
SUBMIT_SM, DELIVER_SM, ENQUIRE_LINK, UNBIND = (
    command_codes.get_command_code(name) for name in ("submit_sm", "deliver_sm", "enquire_link", "unbind")
)
GENERIC_NACK: Final = RESPONSE
OK: Final = consts.SMPP_ESME_ROK
NOT_NOW: Final = consts.SMPP_ESME_RX_T_APPN
UNKNOWN_COMMAND: Final = consts.SMPP_ESME_RINVCMDID
RECEIPTED_ID, MESSAGE_STATE, PAYLOAD, SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = (
    consts.OPTIONAL_PARAMS[name]
    for name in (
        "receipted_message_id",
        "message_state",
        "message_payload",
        "sar_msg_ref_num",
        "sar_total_segments",
        "sar_segment_seqnum",
    )
)
_NAMES: Final[Mapping[int, str]] = {
    value: name.removeprefix("SMPP_") for name, value in vars(consts).items() if name.startswith("SMPP_ESME_")
}


class ProtocolError(ValueError):
    """What came is not SMPP; nothing after it can be trusted."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One protocol data unit as it came."""

    command: int
    status: int
    sequence: int
    raw: bytes = field(repr=False)

    @property
    def is_response(self) -> bool:
        """Whether it answers one of ours."""
        return bool(self.command & RESPONSE)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A deliver_sm. `octets` is short_message, or message_payload where the SMSC sends that."""

    source: str = field(repr=False)
    source_ton: int
    data_coding: int
    esm_class: int
    octets: bytes = field(repr=False)
    options: Mapping[int, bytes] = field(repr=False)


def status_name(status: int) -> str:
    """ESME_RTHROTTLED for 0x58; an operator's own status in hexadecimal."""
    return _NAMES.get(status, f"0x{status:X}")


def written(command: str, sequence: int, **fields: Any) -> bytes:  # noqa: ANN401 - whatever the unit holds
    """A unit in octets."""
    unit = smpp.make_pdu(command, sequence=sequence, **fields)
    unit.sequence = sequence
    octets: bytes = unit.generate()
    return octets


def answered(command: str, sequence: int, status: int = OK) -> bytes:
    """An answer to one of theirs."""
    return written(command, sequence, status=status)


class Units:
    """Cuts a stream of octets into units."""

    def __init__(self) -> None:
        self._rest = b""

    def fed(self, octets: bytes) -> Iterator[Unit]:
        """The units that these octets complete.

        Raises:
            ProtocolError: a length that no unit has.
        """
        self._rest += octets
        while len(self._rest) >= HEADER:
            length, command, status, sequence = struct.unpack(">LLLL", self._rest[:HEADER])
            if not HEADER <= length <= LONGEST:
                raise ProtocolError
            if len(self._rest) < length:
                return
            raw, self._rest = self._rest[:length], self._rest[length:]
            yield Unit(command, status, sequence, raw)


def submitted_id(unit: Unit) -> str:
    """The id in a submit_sm_resp, "" when it holds none or says no."""
    return "" if unit.status else unit.raw[HEADER:].split(b"\0", 1)[0].decode("latin-1")


def delivered(unit: Unit) -> Delivered:
    """Read a deliver_sm (SMPP 3.4, 4.6.1).

    Raises:
        ProtocolError: its fields do not fit its length.
    """
    fields = _Fields(unit.raw[HEADER:])
    fields.text()  # service_type
    source_ton, _ = fields.octets(2)
    source = fields.text()
    fields.octets(2)
    fields.text()  # destination_addr
    esm_class, _, _ = fields.octets(3)
    fields.text()  # schedule_delivery_time
    fields.text()  # validity_period
    _, _, data_coding, _, length = fields.octets(5)
    short_message = fields.octets(length)
    options = dict(_options(fields.rest()))
    octets = short_message or options.get(PAYLOAD, b"")
    return Delivered(source, source_ton, data_coding, esm_class, octets, options)


class _Fields:
    """The body of a unit, field by field."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = 0

    def text(self) -> str:
        """A C string."""
        end = self._body.find(b"\0", self._place)
        if end < 0:
            raise ProtocolError
        found, self._place = self._body[self._place : end], end + 1
        return found.decode("latin-1")

    def octets(self, number: int) -> bytes:
        """So many octets."""
        found = self._body[self._place : self._place + number]
        if len(found) < number:
            raise ProtocolError
        self._place += number
        return found

    def rest(self) -> bytes:
        """What is left."""
        return self._body[self._place :]


def _options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag, length, value; a value that the unit cuts off is left out."""
    place = 0
    while place + 4 <= len(octets):
        tag, length = struct.unpack(">HH", octets[place : place + 4])
        value = octets[place + 4 : place + 4 + length]
        if len(value) == length:
            yield tag, value
        place += 4 + length


# One spelling for a message's id, whichever way the SMSC writes it.

ReceiptIds = Literal["same", "hex_in_answer", "decimal_in_answer"]

_BASES: Final[Mapping[ReceiptIds, tuple[int, int] | None]] = {
    # base in the answer and in message_id parameters, base in the text of receipts
    "same": None,
    "hex_in_answer": (16, 10),
    "decimal_in_answer": (10, 16),
}


def of_answer(reference: str, ids: ReceiptIds) -> str:
    """An id from a submit_sm_resp, or from the parameter receipted_message_id, which repeats that."""
    bases = _BASES[ids]
    return _decimal(reference, bases[0]) if bases else reference


def of_receipt(reference: str, ids: ReceiptIds) -> str:
    """An id from a receipt's text."""
    bases = _BASES[ids]
    return _decimal(reference, bases[1]) if bases else reference


def _decimal(reference: str, base: int) -> str:
    """What is no number of that base stays as it is."""
    try:
        return str(int(reference, base))
    except ValueError:
        return reference


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
