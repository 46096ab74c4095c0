"""Words as a lender's own program writes them: Jinja2 on the lender's templates, and a signed link.

The floor and the script share this, so that what is compared is the same message and not the same words by chance.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import jinja2

LANGUAGE: Final = "zh-CN"
_DIGITS: Final = str.maketrans("0123456789", "零一二三四五六七八九")
_LINES: Final = re.compile(r"[ \t]*\n\s*")
_EPOCH: Final = date(1970, 1, 1)
_COUNTRY: Final = "+86"


@dataclass(frozen=True)
class Job:
    """One night for the floor or the script: where everything is, and what each message says of the lender."""

    as_of: str
    loans: str
    payments: str
    templates: str
    told: str
    """Where it remembers what it told."""
    words: str
    """Where to leave what it wrote, for a comparison; "" for nowhere."""
    sign: str
    hotline: str
    reply_hint: str
    pay_link: str
    link_key: str
    links_until: str
    ledger: str = ""
    rows: str = ""
    """The floor's ledger, and the rows that the night adds to it."""

    @property
    def day(self) -> date:
        """The business date."""
        return date.fromisoformat(self.as_of)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A job as `write` left it."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Leave it where a process of its own reads it."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")


class Words:
    """The lender's templates in plain Jinja2."""

    def __init__(self, job: Job) -> None:
        """Templates are compiled when first asked for."""
        self._opening = f"【{job.sign}】"
        self._environments = {channel: _environment(job, channel) for channel in ("sms", "voice")}

    def writer(self, notice: str, channel: str) -> Callable[[Mapping[str, Any]], str]:
        """What writes a message of this kind, in one line, from its values."""
        render = self._environments[channel].get_template(f"{notice}.{channel}.j2").render
        opening = self._opening if channel == "sms" else ""
        return lambda values: opening + _LINES.sub("", render(values).strip())


def _environment(job: Job, channel: str) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(job.templates) / LANGUAGE)
    environment = jinja2.Environment(loader=loader, auto_reload=False, autoescape=False)  # noqa: S701 - text messages
    environment.filters |= {
        "money": (lambda minor: f"{minor / 100:,.2f}元")
        if channel == "sms"
        else (lambda minor: f"{minor / 100:.2f}元"),
        "date": lambda day: f"{day.month}月{day.day}日",
        "spelled": lambda text: text.replace("-", "，").translate(_DIGITS),
    }
    environment.globals |= {
        "sign": job.sign,
        "hotline": job.hotline,
        "reply_hint": job.reply_hint,
        "role": "borrower",
        "loan_count": 1,
    }
    return environment


@dataclass(frozen=True)
class Links:
    """Signed links as the lender's payment page takes them."""

    job: Job

    def pay(self, loan_id: str, phone: str) -> str:
        """The link to the payment page of one loan, for whom it is sent to."""
        return self.job.pay_link + self._token("pay", loan_id, phone)

    def _token(self, purpose: str, loan_id: str, phone: str) -> str:
        key, until = self._key, self.job.links_until
        place = hmac.digest(key, f"carloan-notify.loan\n{loan_id}".encode(), "sha256")[:3]
        covered = f"carloan-notify.link\n{purpose}\n{until}\n{_COUNTRY}{phone}\n{loan_id}"
        proof = hmac.digest(key, covered.encode(), "sha256")[:8]
        return base64.urlsafe_b64encode(self._head[purpose] + place + proof).decode()

    @cached_property
    def _head(self) -> dict[str, bytes]:
        day = (date.fromisoformat(self.job.links_until) - _EPOCH).days % 64
        return {"pay": bytes([day])}

    @cached_property
    def _key(self) -> bytes:
        return bytes.fromhex(self.job.link_key)
