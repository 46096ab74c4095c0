"""Prints messages instead of sending them: for trying things out, never for borrowers."""

import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TextIO

from carloan_notify.delivery.provider import (
    Adapter,
    Capabilities,
    CheckResult,
    CheckVerdict,
    ReceiptMode,
    ReturnPage,
)
from carloan_notify.delivery.registry import ConsoleProviderSettings
from carloan_notify.records import OutboundMessage, Outcome, SendResult


class ConsoleProvider(Adapter):
    """Accepts everything and prints one line per message."""

    batch_limit = 100
    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.NONE, bounds_delivery=True)
    """A print-out answers no questions, and is there at once."""

    def __init__(
        self,
        name: str,
        settings: ConsoleProviderSettings,
        *,
        clock: Callable[[], datetime],  # noqa: ARG002 - every provider is built alike; a print-out has no time
        stream: TextIO | None = None,
    ) -> None:
        """`stream` replaces standard error."""
        super().__init__(name, settings)
        self._settings = settings
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """Print every message, whole batches at a time."""
        text = "".join(f"{self._line(message)}\n" for message in batch)
        with self._lock:
            stream = self._stream or sys.stderr
            stream.write(text)
            stream.flush()
        return [
            SendResult(m.message_id, Outcome.ACCEPTED, f"console-{m.message_id}", "printed") for m in batch
        ]

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
