"""An SMSC on loopback, on smpplib's units; a real Kannel binds to it in tests/integration/kannel."""

import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from smpplib import smpp

if TYPE_CHECKING:
    from collections.abc import Callable

OK: Final = 0
SILENT: Final = -1
"""Take the message and say nothing."""
HANG_UP: Final = -2
"""Take the message and drop the connection."""
BINDS: Final = ("bind_transceiver", "bind_transmitter", "bind_receiver")


@dataclass(frozen=True)
class Submitted:
    """A submit_sm as it came, and the id it was given."""

    reference: str
    to: str
    sender: str
    octets: bytes
    payload: bytes
    data_coding: int
    esm_class: int
    registered: int
    validity: str = ""


class Connection:
    """One client."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.role = ""
        self.lock = threading.Lock()

    def send(self, octets: bytes) -> None:
        with self.lock, suppress(OSError):
            self.socket.sendall(octets)


class Smsc:
    """Answers as it is told: `bind_status`, `deaf`, and `answer` per message, a status or SILENT or HANG_UP."""

    def __init__(self, *, reports: bool = False, context: ssl.SSLContext | None = None) -> None:
        self.bind_status = OK
        self.answer: Callable[[Submitted], int] = lambda _: OK
        self.reports = reports
        self.deaf = False
        self._context = context
        self.binds: list[dict[str, str]] = []
        self.submitted: list[Submitted] = []
        self.unanswered: dict[int, bytes] = {}
        self.refused: list[int] = []
        self.heard: list[str] = []
        self._connections: list[Connection] = []
        self._sequence = 1000
        self._delivering = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        gone, self._connections = self._connections, []
        for connection in gone:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.socket.close()

    def deliver(self, **fields: Any) -> int:
        """A deliver_sm that is kept until it is answered with ESME_ROK; returns its sequence number."""
        octets = b"".join(fields.pop("options", []))
        unit = unit_of("deliver_sm", self._next(), **fields)
        whole = struct.pack(">L", len(unit) + len(octets)) + unit[4:] + octets
        with self._delivering:
            self.unanswered[self._sequence] = whole
            self._send_to_receiver([whole])
        return self._sequence

    def send_raw(self, octets: bytes) -> None:
        for connection in self._connections:
            connection.send(octets)

    def _send_to_receiver(self, units: list[bytes]) -> None:
        receivers = [c for c in self._connections if c.role in ("bind_transceiver", "bind_receiver")]
        for connection in receivers[-1:]:
            for whole in units:
                connection.send(whole)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                connection = self._welcomed(connected)
                if connection is None:
                    continue
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _welcomed(self, connected: socket.socket) -> Connection | None:
        try:
            return Connection(
                self._context.wrap_socket(connected, server_side=True) if self._context else connected
            )
        except OSError:
            return None

    def _serve(self, connection: Connection) -> None:
        rest = b""
        with suppress(OSError):
            while octets := connection.socket.recv(65536):
                rest += octets
                while len(rest) >= 4 and len(rest) >= (length := struct.unpack(">L", rest[:4])[0]):
                    whole, rest = rest[:length], rest[length:]
                    unit = smpp.parse_pdu(whole, sequence=0, allow_unknown_opt_params=True)
                    self._took(connection, unit)

    def _took(self, connection: Connection, unit: Any) -> None:
        self.heard.append(unit.command)
        if self.deaf:
            return
        if unit.command in BINDS:
            fields = ("system_id", "password", "system_type")
            self.binds.append({name: getattr(unit, name).decode() for name in fields})
            answer = unit_of(f"{unit.command}_resp", unit.sequence, self.bind_status, system_id="SMSC")
            with self._delivering:
                connection.role = unit.command if self.bind_status == OK else ""
                connection.send(answer)
                self._send_to_receiver(list(self.unanswered.values()))
        elif unit.command == "submit_sm":
            self._submit(connection, unit)
        elif unit.command == "deliver_sm_resp":
            if unit.status == OK:
                self.unanswered.pop(unit.sequence, None)
            else:
                self.refused.append(unit.sequence)
        elif unit.command in ("enquire_link", "unbind"):
            connection.send(unit_of(f"{unit.command}_resp", unit.sequence))

    def _submit(self, connection: Connection, unit: Any) -> None:
        message = Submitted(
            reference=f"id-{len(self.submitted)}",
            to=unit.destination_addr.decode(),
            sender=unit.source_addr.decode(),
            octets=unit.short_message or b"",
            payload=unit.message_payload or b"",
            data_coding=unit.data_coding,
            esm_class=unit.esm_class or 0,
            registered=unit.registered_delivery or 0,
            validity=(unit.validity_period or b"").decode(),
        )
        self.submitted.append(message)
        status = self.answer(message)
        if status == HANG_UP:
            self.hang_up()
        elif status != SILENT:
            told = {"message_id": message.reference} if status == OK else {}
            connection.send(unit_of("submit_sm_resp", unit.sequence, status, **told))
            if status == OK and self.reports and message.registered & 1:
                self.report(message)

    def report(self, message: Submitted, state: str = "DELIVRD") -> None:
        dates = "submit date:2611231400 done date:2611231401"
        text = f"id:{message.reference} sub:001 dlvrd:001 {dates} stat:{state} err:000 text:"
        self.deliver(
            source_addr=message.to, destination_addr=message.sender, esm_class=4, short_message=text.encode()
        )


def unit_of(command: str, sequence: int, status: int = OK, **fields: Any) -> bytes:
    unit = smpp.make_pdu(command, sequence=sequence, status=status, **fields)
    unit.sequence, unit.status = sequence, status
    octets: bytes = unit.generate()
    return octets
