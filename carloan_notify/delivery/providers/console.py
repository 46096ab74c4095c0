"""Prints messages instead of sending them: for trying things out, never for borrowers."""

import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TextIO

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
from carloan_notify.delivery.registry import ConsoleProviderSettings
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushRequest, SendResult


class ConsoleProvider:
    """Accepts everything and prints one line per message."""

    batch_limit = 100

    def __init__(
        self,
        name: str,
        settings: ConsoleProviderSettings,
        *,
        clock: Callable[[], datetime],  # noqa: ARG002 - every provider is built alike; a print-out has no time
        stream: TextIO | None = None,
    ) -> None:
        """`stream` replaces the one that the settings name."""
        self._name = name
        self._settings = settings
        self._stream = stream
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        return self._name

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""
        return self._settings.serves

    @property
    def capabilities(self) -> Capabilities:
        """A print-out answers no questions, and is there at once."""
        return Capabilities(look_up_window=None, receipts=ReceiptMode.NONE, bounds_delivery=True)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """Print every message, whole batches at a time."""
        text = "".join(f"{self._line(message)}\n" for message in batch)
        with self._lock:
            stream = self._stream or (sys.stdout if self._settings.stream == "stdout" else sys.stderr)
            stream.write(text)
            stream.flush()
        return [
            SendResult(m.message_id, Outcome.ACCEPTED, f"console-{m.message_id}", "printed") for m in batch
        ]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """Nothing is remembered."""
        return [LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="no_look_up") for inquiry in inquiries]

    def batch_key(self, message: OutboundMessage) -> str:  # noqa: ARG002 - the contract's
        """Everything may be printed together."""
        return ""

    def receive(self, request: PushRequest) -> Received | Refused:  # noqa: ARG002 - the contract's
        """Nothing comes back of what is printed."""
        return Refused(404, "no_push")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the contract's
        """Nothing comes back."""
        return ReturnPage()

    def check(self) -> list[CheckResult]:
        """There is nothing that could be wrong."""
        return [CheckResult("console", CheckVerdict.OK, "prints, sends nothing")]

    def _line(self, message: OutboundMessage) -> str:
        if self._settings.reveal:
            return f"[{message.channel}] {message.phone} {message.notice}: {message.text}"
        return (
            f"[{message.channel}] ****{message.phone[-4:]} {message.notice}: {len(message.text)} characters"
        )
