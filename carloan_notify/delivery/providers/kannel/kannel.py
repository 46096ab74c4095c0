"""SMS through Kannel, a gateway that a lender runs itself: one POST per message, reports and replies pushed back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import ClassVar, Final, Literal, Self, Unpack
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import Field, SecretStr, model_validator

from carloan_notify.delivery.codes import carrier_codes, public_code
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, WireRequest, safe_root, web_date
from carloan_notify.delivery.provider import (
    CheckResult,
    CheckVerdict,
    ReceiptMode,
    Received,
    Refused,
    VendorSettings,
    minutes_left,
    same_for_all,
)
from carloan_notify.delivery.vendor import (
    Ready,
    UnreadableRecordError,
    Vendor,
    Wired,
    by_status,
    read_records,
)
from carloan_notify.errors import ConfigError
from carloan_notify.gsm import Encoded, encode
from carloan_notify.phones import e164
from carloan_notify.records import (
    OutboundMessage,
    Outcome,
    PushAnswer,
    PushRequest,
    Receipt,
    Reply,
    SendResult,
)

# What smsbox's answer to a sendsms request means.

LONGEST_ANSWER: Final = 200
"""Bytes; Kannel answers in one line, so anything longer is another server's page."""
_NOT_IN_CODE: Final = re.compile(rb"[^A-Za-z0-9]+")


def answer_code(answer: WireAnswer) -> str:
    """Kannel's answer as a code of its table, "" when it is none of Kannel's.

    A proxy's page in front of it says nothing about the message.
    """
    kannel = answer.headers.get("Server", "").startswith("Kannel/")
    if not kannel or b"<" in answer.body or len(answer.body) > LONGEST_ANSWER:
        return ""
    return _NOT_IN_CODE.sub(b"_", answer.body).strip(b"_").decode("ascii")


# What smsbox pushes: delivery reports to the address given with each message, and replies from get-url.

NOTHING_TO_SAY: Final = PushAnswer(body=b"")
"""Empty on purpose: Kannel may text what it is answered to the borrower."""
REPORT_QUERY: Final = "reference={reference}&type=%d&answer=%A&time=%T"
"""Of a delivery report. The number stays out of it; our reference tells whose it is."""
REPLY_QUERY: Final = "phone=%p&text=%b&charset=%C&time=%T&id=%I"
"""Of a reply, for get-url. %a would spoil Chinese: it takes octets for blanks."""
FINAL_TYPES: Final = 1 | 2 | 16
"""dlr-mask: delivered, failed, refused. Buffered and accepted would be two more requests that settle nothing."""

_STATE: Final = re.compile(r"\bstat:([A-Za-z]{2,10})\b")
_REFERENCE: Final = re.compile(r"[A-Z0-9]{1,64}")


# Options of Kannel.

_ADDRESS = r"^(https?://[^\s@?#]+)?$"
_HEADER_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")
_URL_TEXT = re.compile(r"[A-Za-z0-9_-]+")


class KannelSettings(VendorSettings):
    """SMS through a Kannel of the lender's own."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.kannel.kannel:KannelSms"
    push_address = "any"
    type: Literal["kannel"] = Field(description="SMS through a Kannel gateway.", examples=["kannel"])
    base_url: str = Field(
        default="http://127.0.0.1:13013",
        pattern=r"^https?://\S+$",
        description="Address of Kannel's smsbox: its host and sendsms-port.",
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Allow http:// to a Kannel on another host. Phone numbers would travel in the clear.",
    )
    username: str = Field(pattern=r"^[!-~]+$", description="User of group sendsms-user.", examples=["lender"])
    password: SecretStr = Field(description="Its password.", examples=["${KANNEL_PASSWORD}"])
    sender: str = Field(
        default="",
        pattern=r"^([!-~]([ -~]*[!-~])?)?$",
        description="Number or name that messages come from; empty for the user's default-sender.",
        examples=["1069012345"],
    )
    max_parts: int = Field(
        default=10,
        ge=1,
        le=255,
        description="Parts that a long message may have: max-messages of group sendsms-user. Kannel would cut "
        "a longer text off without a word, so it is refused here.",
    )
    phone_region: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166 country of numbers in replies that come without + and country code.",
    )
    admin_url: str = Field(
        default="",
        pattern=_ADDRESS,
        description="Address of bearerbox's admin-port, for `providers check`; empty: its links are not "
        "looked at.",
        examples=["http://127.0.0.1:13000"],
    )
    status_password: SecretStr | None = Field(
        default=None,
        description="status-password of group core, for `providers check`.",
        examples=["${KANNEL_STATUS_PASSWORD}"],
    )

    @model_validator(mode="after")
    def _check_kannel(self) -> Self:
        problems = self._unwritable()
        if bool(self.admin_url) != (self.status_password is not None):
            problems.append("admin_url and status_password: give both or neither")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unwritable(self) -> list[str]:
        problems = []
        if not _HEADER_TEXT.fullmatch(self.password.get_secret_value()):
            problems.append("password: Kannel takes printable ASCII without blanks at either end")
        if self.push_secret and not _URL_TEXT.fullmatch(self.push_secret.get_secret_value()):
            problems.append(
                "push_secret: Kannel reads % as a sign of its own; use letters, digits, - and _ only"
            )
        return problems


# A look at Kannel without sending: the user, the clock, the links of bearerbox.

WIDEST_SKEW: Final = timedelta(minutes=5)


def look(
    wire: Wire, settings: KannelSettings, without_number: WireRequest, now: datetime
) -> list[CheckResult]:
    """`without_number` is a send request that Kannel refuses after it has checked user and password."""
    end = wire.exchange(without_number)
    found = [_credentials(end)]
    if isinstance(end, WireAnswer):
        found.append(_clock(end, now))
    if settings.admin_url and settings.status_password is not None:
        password = quote(settings.status_password.get_secret_value(), safe="")
        url = f"{settings.admin_url.rstrip('/')}/status.xml?password={password}"
        found += _links(wire.exchange(WireRequest("GET", url, {}, b"")))
    else:
        found.append(
            CheckResult("links", CheckVerdict.UNTOLD, "set admin_url and status_password to see them")
        )
    return found


def _credentials(end: WireAnswer | WireFault) -> CheckResult:
    if isinstance(end, WireFault):
        return CheckResult("credentials", CheckVerdict.WRONG, f"smsbox cannot be reached: {end.code}")
    code = answer_code(end)
    if code.startswith("Authorization_failed"):
        return CheckResult("credentials", CheckVerdict.WRONG, "Kannel refuses user, password or this host")
    if "receiver" in code:
        return CheckResult("credentials", CheckVerdict.OK, "Kannel asks for a number, so it takes the user")
    return CheckResult("credentials", CheckVerdict.WRONG, f"no sendsms answers here: http_{end.status}")


def _clock(answer: WireAnswer, now: datetime) -> CheckResult:
    try:
        there = web_date(answer.headers.get("Date", ""))
    except ValueError:
        return CheckResult("clock", CheckVerdict.UNTOLD, "the answer holds no date")
    skew = abs(there - now)
    detail = f"{int(skew.total_seconds())} s apart"
    return CheckResult("clock", CheckVerdict.WRONG if skew > WIDEST_SKEW else CheckVerdict.OK, detail)


def _links(end: WireAnswer | WireFault) -> Iterator[CheckResult]:
    if isinstance(end, WireFault):
        yield CheckResult("links", CheckVerdict.WRONG, f"bearerbox cannot be reached: {end.code}")
        return
    try:
        gateway = safe_root(end.body)
    except ValueError:
        gateway = None
    if gateway is None or gateway.find("status") is None:
        yield CheckResult(
            "links", CheckVerdict.WRONG, "bearerbox refuses the status page; check status_password"
        )
        return
    links = gateway.findall("smscs/smsc")
    if not links:
        yield CheckResult("links", CheckVerdict.WRONG, "bearerbox has no link to an SMSC")
    for link in links:
        name, status = link.findtext("id", "?"), link.findtext("status", "?")
        online = status.startswith("online")
        yield CheckResult(
            f"link {name}", CheckVerdict.OK if online else CheckVerdict.WRONG, (status.split() or ["?"])[0]
        )


PATH: Final = "/cgi-bin/sendsms"


@dataclass(frozen=True, slots=True)
class _Encoded(Ready):
    encoded: Encoded = field(repr=False)


class KannelSms(Vendor[_Encoded]):
    """Kannel of one's own. The text goes in the body and the number in a header, so no log of addresses has them."""

    codes = "kannel"
    bounds_delivery = True
    """Kannel hands the validity on to the SMSC."""
    _settings: KannelSettings

    def __init__(self, name: str, settings: KannelSettings, **wired: Unpack[Wired]) -> None:
        """Opens no connection yet.

        Raises:
            ConfigError: delivery reports are wanted and the name cannot stand in their address.
        """
        super().__init__(name, settings, **wired)
        self._report_url = f"{self._push_url}?{REPORT_QUERY}" if self._push_url else ""
        if self._report_url and not _URL_TEXT.fullmatch(name):
            problem = (
                f"delivery.providers.{name}: Kannel reads % as a sign of its own, so the name of a provider "
                "with delivery reports may hold letters, digits, - and _ only; rename it"
            )
            raise ConfigError([problem])

    @property
    def receipt_mode(self) -> ReceiptMode:
        """Reports carry our reference, where they are asked for."""
        return ReceiptMode.PUSH if self._report_url else ReceiptMode.NONE

    def screen(self, message: OutboundMessage) -> _Encoded | SendResult:
        """The message as it goes out, unless Kannel would cut it off."""
        encoded = encode(message.text)
        if len(encoded.parts) <= self._settings.max_parts:
            return _Encoded(message, encoded)
        detail = f"{len(encoded.parts)} parts, and Kannel would cut it after `max_parts`"
        return SendResult(message.message_id, Outcome.REJECTED, code="too_many_parts", detail=detail)

    def request(self, going: Sequence[_Encoded]) -> WireRequest:
        """The text in the body, everything else in headers."""
        message, ucs2 = going[0].message, going[0].encoded.ucs2
        headers = {"X-Kannel-To": message.phone, "X-Kannel-Coding": "2" if ucs2 else "0"}
        if self._report_url:
            headers["X-Kannel-DLR-Mask"] = str(FINAL_TYPES)
            headers["X-Kannel-DLR-Url"] = self._report_url.replace("{reference}", message.message_id)
        if (minutes := minutes_left(message, self._clock())) is not None:
            headers["X-Kannel-Validity"] = str(minutes)
        return self._request(message.text.encode("utf-8", "replace"), headers)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """By the code in the text. Any 400 is a refusal (user guide); yes under a status that says no is UNKNOWN."""
        code = answer_code(answer)
        listed = self.meaning(code)
        if code and listed is None and answer.status == HTTPStatus.BAD_REQUEST:
            return self.by_code(answer, answer.code, batch)
        if not code or (listed is None and not answer.ok):
            return by_status(answer, batch, self._clock())
        if listed is not None and (listed.outcome is Outcome.ACCEPTED) is not answer.ok:
            return same_for_all(batch, Outcome.UNKNOWN, "contradicting_answer", public_code(code))
        return self.by_code(answer, code, batch)

    def receive(self, request: PushRequest) -> Received | Refused:
        """A delivery report, a reply, or nothing that Kannel was told to send."""
        query = urlsplit(request.url).query
        fields = _fields(query)
        if not fields.keys() & {"reference", "phone"}:
            return Refused(400, "no_report_and_no_reply")
        read = self._report if "reference" in fields else self._reply
        return Received(read_records(self._name, [fields], read, query.encode(), called=""), NOTHING_TO_SAY)

    def check(self) -> list[CheckResult]:
        """User and password by a request without a number; the clock; bearerbox's links if it may be asked."""
        return look(self._wire, self._settings, self._request(b"", {}), self._clock())

    def _request(self, body: bytes, headers: dict[str, str]) -> WireRequest:
        settings = self._settings
        user = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": settings.username,
            "X-Kannel-Password": settings.password.get_secret_value(),
        }
        sender = {"X-Kannel-From": settings.sender} if settings.sender else {}
        url = settings.base_url.rstrip("/") + PATH
        return WireRequest("POST", url, {**user, **sender, **headers}, body)

    def _report(self, fields: Mapping[str, bytes]) -> Receipt | None:
        reference = _ascii(fields.get("reference", b""))
        kind = _ascii(fields.get("type", b""))
        told = carrier_codes("kannel").get(f"dlr_{kind}")
        if told is None or not _REFERENCE.fullmatch(reference):
            raise UnreadableRecordError("delivery report: no type or no reference of ours")
        if not told.final:
            return None
        state = _STATE.search(_ascii(fields.get("answer", b"")))
        carried = carrier_codes("kannel").get(state[1]) if state else None
        known = carried if carried and carried.delivered == told.delivered else told
        return Receipt(
            provider=self._name,
            provider_ref="",
            message_id=reference,
            delivered=told.delivered,
            code=public_code(state[1] if state else f"dlr_{kind}"),
            detail=known.reason,
            occurred_at=self._time(fields),
            blocked=known.blocked,
            dead=known.dead,
        )

    def _reply(self, fields: Mapping[str, bytes]) -> Reply:
        phone = e164(_ascii(fields.get("phone", b"")), self._settings.phone_region)
        if phone is None:
            raise UnreadableRecordError("reply: its sender is no telephone number")
        try:
            text = fields.get("text", b"").decode(_ascii(fields.get("charset", b"")) or "utf-8")
        except (UnicodeDecodeError, LookupError):
            raise UnreadableRecordError("reply: its text cannot be read in the charset it names") from None
        reply_id = _ascii(fields.get("id", b""))
        return Reply(self._name, reply_id, phone, text, self._time(fields))

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
