"""Words as a lender's own program writes them: Jinja2 on the lender's templates, and a signed link.

The floor and the script share this, so that what is compared is the same message and not the same words by chance.
"""

import base64
import hashlib
import hmac
import json
import re
import struct
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
_EPOCH: Final = date(2000, 1, 1)
_CERTIFICATE: Final = 1 << 13
_SALT: Final = "carloan-notify."


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
    certificate_link: str
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

    def pay(self, loan_id: str, installment_no: int) -> str:
        """The link to the payment of one installment."""
        return self.job.pay_link + self._token(installment_no, loan_id)

    def certificate(self, loan_id: str) -> str:
        """The link to a settled loan's certificate."""
        return self.job.certificate_link + self._token(_CERTIFICATE, loan_id)

    def _token(self, head: int, loan_id: str) -> str:
        reference = hashlib.blake2b(loan_id.encode(), key=self._loan_key, digest_size=8).digest()
        payload = struct.pack(">HH8s", head, self._until, reference)
        signature = hmac.digest(self._key, payload, "sha256")[:6]
        return base64.urlsafe_b64encode(payload + signature).decode()

    @cached_property
    def _until(self) -> int:
        return (date.fromisoformat(self.job.links_until) - _EPOCH).days

    @cached_property
    def _key(self) -> bytes:
        return self._derived("link")

    @cached_property
    def _loan_key(self) -> bytes:
        return self._derived("loan-ref")

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(bytes.fromhex(self.job.link_key), f"{_SALT}{purpose}".encode(), "sha256")
