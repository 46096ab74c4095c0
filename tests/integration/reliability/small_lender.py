"""A lender of a few loans whose files, clock and nights a test turns by hand, and what its provider was given."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import yaml

from carloan_notify.app import App
from carloan_notify.config.example import sample_values
from carloan_notify.config.load import load_settings
from carloan_notify.config.model import AppSettings
from carloan_notify.ledger import views
from carloan_notify.ledger.keys import write_private
from carloan_notify.ledger.ledger import create_keys
from carloan_notify.ledger.notices import DECIDED
from carloan_notify.ledger.runs import FINISHED
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.tables import RUNS, WHOLE
from carloan_notify.ledger.views import Stored
from carloan_notify.messages.settings import LINK_KEY_FILE
from carloan_notify.pipeline.night import NAMES, NightOrder, run_night
from carloan_notify.pipeline.send import send_due
from carloan_notify.reports.night import NightReport
from tests.e2e.tiny import CONTACTS, LOANS, PAYMENTS
from tests.integration.reliability.debts import CATCH_UP, PART, REPLACES, RULES, TERMS, Book
from tests.transactions import look

ZONE: Final = ZoneInfo("Asia/Shanghai")
FIELDS: Final = (
    "amount | money",
    "days_past_due",
    "days_to_due",
    "due_on | long_date",
    "loan_count",
    "installment_no",
)
TEMPLATE: Final = "#" + "|".join(f"{{{{ {name} }}}}" for name in FIELDS) + "#{{ borrower_name }}#"
"""Text that a machine reads back."""
THANKS: Final = "#{{ amount | money }}|{{ occurred_on | long_date }}#{{ borrower_name }}#"


@dataclass(frozen=True)
class Said:
    """What a message told, read off its text."""

    amount: int
    days_past_due: int
    days_to_due: int
    due_on: date
    loan_count: int
    installment_no: int


def read(text: str) -> Said:
    """The text of a message as figures."""
    amount, past, to_due, due_on, count, number = text.split("#")[1].split("|")
    return Said(
        _minor(amount),
        int(past),
        int(to_due),
        _day(due_on),
        int(count),
        int(number),
    )


def read_thanks(text: str) -> tuple[int, date]:
    """The amount and the date of a payment that a message confirms."""
    amount, paid_on = text.split("#")[1].split("|")
    return _minor(amount), _day(paid_on)


def read_name(text: str) -> str:
    """Whom a message addresses."""
    return text.split("#")[2]


def _minor(amount: str) -> int:
    return round(float(amount.strip("元").replace(",", "")) * 100)


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y年%m月%d日").replace(tzinfo=ZONE).date()


@dataclass
class SmallLender:
    """Files are written from `book` as it stands when a night or a `send` begins."""

    folder: Path
    book: Book
    now: datetime
    settings: AppSettings = field(init=False)
    seen: set[str] = field(default_factory=set)
    run_id: str = ""

    def __post_init__(self) -> None:
        """Make the folder: configuration, templates, keys; no ledger yet."""
        (self.folder / "export").mkdir()
        write_private(self.folder / LINK_KEY_FILE, b"0" * 32)
        create_keys(LedgerSettings(), self.folder)
        templates = self.folder / "templates" / "zh-CN"
        templates.mkdir(parents=True)
        for rule in RULES:
            words = THANKS if rule.thanks else TEMPLATE
            (templates / f"{rule.notice}.{rule.channel}.j2").write_text(words, encoding="utf-8")
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(_options(), allow_unicode=True), encoding="utf-8")
        self.settings = load_settings(path)

    @property
    def today(self) -> date:
        """The lender's own date."""
        return self.now.date()

    def app(self) -> App:
        """The app at this very moment; its clock stands still."""
        return App(self.settings, self.folder, self.settings.lender.record(), lambda: self.now, self.now)

    def night(self, as_of: date) -> list[Stored]:
        """Run a night; what left."""
        order = NightOrder(as_of, "tester", accept=frozenset(NAMES), reason="drawn by a test")
        return self._leaving(lambda app: self._ran(run_night(app, order)))

    def send(self) -> list[Stored]:
        """Send what may go; what left."""
        return self._leaving(lambda app: send_due(app).summary)

    def export(self) -> None:
        """Write the files as the book stands."""
        self._write(
            "loans",
            LOANS,
            [
                f"{loan.loan_id},{loan.customer_id},{loan.name},{loan.phone},car,"
                f"{TERMS * PART // 100},0,{TERMS},2026-01-01,{loan.first_due_on},{loan.first_due_on.day},"
                f"equal_principal,active,zh-CN,{loan.zone},1111,{self.today}"
                for loan in self.book.loans
            ],
        )
        self._write(
            "payments",
            PAYMENTS,
            [f"{p.payment_id},{p.loan_id},{p.paid_on},{p.amount / 100:.2f}" for p in self.book.payments],
        )
        self._write(
            "contacts",
            f"{CONTACTS},do_not_contact",
            [
                *(f"{customer},borrower,,,,,yes" for customer in sorted(self.book.refusing)),
                *(
                    f"{customer},{one.role},{one.name},{one.phone},zh-CN,,{'yes' if one.refuses else 'no'}"
                    for customer, people in self.book.people.items()
                    for one in people
                ),
            ],
        )

    def _ran(self, report: NightReport) -> None:
        assert report.status == FINISHED
        self.run_id = report.run_id

    def decisions(self) -> list[Mapping[str, Any]]:
        """Every decision of every night, in order, with the night's business date."""
        query = sa.select(DECIDED, RUNS.c.as_of).join(RUNS, RUNS.c.run_id == DECIDED.c.run_id)
        return self._rows(query.order_by(DECIDED.c.notice_no))

    def messages(self) -> list[Mapping[str, Any]]:
        """Every message as the ledger has it."""
        return self._rows(sa.select(WHOLE).order_by(WHOLE.c.queued_at, WHOLE.c.message_id))

    def stored(self, message_id: str) -> Stored:
        """A message, opened."""
        with self.app().open_ledger() as ledger:
            found = look(ledger, views.stored, message_id)
        assert found is not None
        return found

    def _rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        with self.app().open_ledger() as ledger, ledger.store.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _leaving(self, act: Callable[[App], object]) -> list[Stored]:
        """What left meanwhile: the provider's print-out and the ledger must agree on every message."""
        self.export()
        with _printed() as lines:
            act(self.app())
        accepted = [row["message_id"] for row in self.messages() if row["state"] == "accepted"]
        fresh = [self.stored(name) for name in accepted if name not in self.seen]
        self.seen.update(accepted)
        said = Counter(f"[{m.channel}] {m.phone} {m.notice}: {m.rendered.text}" for m in fresh)
        assert Counter(lines()) == said
        return fresh

    def _write(self, name: str, header: str, rows: list[str]) -> None:
        path = self.folder / "export" / f"{name}.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


@contextmanager
def _printed() -> Iterator[Callable[[], list[str]]]:
    stream = io.StringIO()
    with redirect_stderr(stream):
        yield lambda: [line for line in stream.getvalue().splitlines() if line.startswith("[")]


def _options() -> dict[str, Any]:
    values = sample_values()
    console = {"type": "console", "channels": ["sms", "voice"], "reveal": True}
    return values | {
        "sources": {
            name: {"path": f"export/{name}.csv", "fictitious_phones": True}
            for name in ("loans", "payments", "contacts")
        },
        "schedule": {"basis": "computed", "default": {"frequency": "weekly"}},
        "rules": [_rule(number) for number in range(len(RULES))],
        # In a handful of loans any share leaps; guards have tests of their own.
        "guards": {"export_date_column": "data_date", "max_row_drop": 1, "max_paid_share": 1},
        "policy": {
            "default_language": "zh-CN",
            "caps": [{"per": "number", "channel": "sms", "class": "collection", "days": 1, "limit": 2}],
        },
        "delivery": {
            "channels": {"sms": ["console"], "voice": ["console"]},
            "providers": {"console": console},
            "canary": {"size": 0},
        },
    }


def _rule(number: int) -> dict[str, Any]:
    rule = RULES[number]
    when: dict[str, Any] = {"days_past_due": rule.late}
    if rule.thanks:
        when = {"event": rule.notice}
    elif rule.before is not None:
        when = {"days_before_due": rule.before}
    return {
        "notice": rule.notice,
        "when": when,
        "who": list(rule.roles),
        "channel": rule.channel,
        "class": "collection" if rule.chases else "service",
        "catch_up_days": CATCH_UP,
        "supersedes": [REPLACES[rule.notice]] if rule.notice in REPLACES else [],
    }


def later(now: datetime, days: int, hour: int, minute: int = 0) -> datetime:
    """That time of day, so many days later."""
    return (now + timedelta(days=days)).replace(hour=hour, minute=minute, second=0)
