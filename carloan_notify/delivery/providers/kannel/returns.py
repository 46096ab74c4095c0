"""What smsbox pushes: delivery reports to the address given with each message, and replies from get-url."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from carloan_notify.delivery.codes import ByCode, Carried
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import Received, Refused, ReturnPage
from carloan_notify.phones import e164
from carloan_notify.records import PushAnswer, PushRequest, Receipt, Reply

ANSWER: Final = PushAnswer(body=b"")
"""Empty on purpose: Kannel may text what it is answered to the borrower."""
REPORT_QUERY: Final = "reference={reference}&type=%d&answer=%A&time=%T"
"""Of a delivery report. The number stays out of it; our reference tells whose it is."""
REPLY_QUERY: Final = "phone=%p&text=%b&charset=%C&time=%T&id=%I"
"""Of a reply, for get-url. %a would spoil Chinese: it takes octets for blanks."""
FINAL_TYPES: Final = 1 | 2 | 16
"""dlr-mask: delivered, failed, refused. Buffered and accepted would be two more requests that settle nothing."""

_STATE: Final = re.compile(r"\bstat:([A-Za-z]{2,10})\b")
_REFERENCE: Final = re.compile(r"[A-Z0-9]{1,64}")


class KannelReturns:
    """Reads pushes. Pure but for the clock, which stands in where Kannel tells no time."""

    def __init__(
        self, provider: str, region: str, codes: ByCode[Carried], clock: Callable[[], datetime]
    ) -> None:
        """`region` is the country of numbers without a country code."""
        self._provider = provider
        self._region = region
        self._codes = codes
        self._clock = clock

    def read(self, request: PushRequest) -> Received | Refused:
        """A delivery report, a reply, or nothing that Kannel was told to send."""
        query = urlsplit(request.url).query
        fields = _fields(query)
        if "reference" in fields:
            page = self._report(fields)
        elif "phone" in fields:
            page = self._reply(fields)
        else:
            return Refused(400, "no_report_and_no_reply")
        if isinstance(page, str):
            page = ReturnPage(problems=(f"{self._provider}: {page}",), unread=query.encode())
        return Received(page, ANSWER)

    def _report(self, fields: Mapping[str, bytes]) -> ReturnPage | str:
        reference = _ascii(fields.get("reference", b""))
        kind = _ascii(fields.get("type", b""))
        told = self._codes.get(f"dlr_{kind}")
        if told is None or not _REFERENCE.fullmatch(reference):
            return "delivery report: no type or no reference of ours"
        if not told.final:
            return ReturnPage()
        state = _STATE.search(_ascii(fields.get("answer", b"")))
        carried = self._codes.get(state[1]) if state else None
        known = carried if carried and carried.delivered == told.delivered else told
        receipt = Receipt(
            provider=self._provider,
            provider_ref="",
            message_id=reference,
            delivered=told.delivered,
            code=public_code(state[1] if state else f"dlr_{kind}"),
            detail=known.reason,
            occurred_at=self._time(fields),
            blocked=known.blocked,
        )
        return ReturnPage(receipts=(receipt,))

    def _reply(self, fields: Mapping[str, bytes]) -> ReturnPage | str:
        phone = e164(_ascii(fields.get("phone", b"")), self._region)
        if phone is None:
            return "reply: its sender is no telephone number"
        try:
            text = fields.get("text", b"").decode(_ascii(fields.get("charset", b"")) or "utf-8")
        except (UnicodeDecodeError, LookupError):
            return "reply: its text cannot be read in the charset it names"
        reply_id = _ascii(fields.get("id", b""))
        return ReturnPage(replies=(Reply(self._provider, reply_id, phone, text, self._time(fields)),))

    def _time(self, fields: Mapping[str, bytes]) -> datetime:
        seconds = _ascii(fields.get("time", b""))
        try:
            return datetime.fromtimestamp(int(seconds), UTC)
        except (ValueError, OverflowError, OSError):
            return self._clock()


def _fields(query: str) -> dict[str, bytes]:
    """The fields as octets, because a reply's text comes in its own charset."""
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=50)
    return {name: value.encode("latin-1") for name, value in pairs}


def _ascii(value: bytes) -> str:
    return value.decode("ascii", "replace").strip()
