"""How often do guards stop a right night, and do they stop every broken one?

Right nights of a made-up lender, in three patterns of due days, and of one that posts nothing at weekends, run
through the real pipeline one after the other; then each kind of broken export instead of the next night, after few
and after many nights of history.
The floor of both is exact: no right night should stop, no broken one should pass.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Final, cast

import numpy as np
import pandas as pd
import yaml

from carloan_notify.app import App, build_app
from carloan_notify.pipeline.night import NightOrder, run_night
from carloan_notify.pipeline.preview import preview_night
from carloan_notify.pipeline.setup import init_folder

START: Final = date(2026, 9, 7)
LOANS: Final = 1000
NIGHTS: Final = 75
HISTORIES: Final = (0, 3, 30)
TERM: Final = 36
LATE_SHARE: Final = 0.12
ALLOWED_STOPS: Final = 1
NO_WEEKENDS: Final = "no weekends"
PATTERNS: Final = ("uniform", "month end", "six days", NO_WEEKENDS)
SATURDAY: Final = 5
SIX_DAYS: Final = (5, 10, 15, 20, 25, 31)
TABLES: Final = ("loans", "payments", "changes", "events", "contacts")
SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"
GIVEN: Final = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂"

Export = dict[str, pd.DataFrame]
Text = dict[str, str]


def last_day(year: int, month: int) -> int:
    """The last day of a month."""
    return ((date(year + month // 12, month % 12 + 1, 1)) - timedelta(days=1)).day


def due_date(start: date, months: int, day: int) -> date:
    """The due date so many months after `start`'s month."""
    month = start.month - 1 + months
    year, month = start.year + month // 12, month % 12 + 1
    return date(year, month, min(day, last_day(year, month)))


@dataclass
class Lender:
    """A portfolio that lives: loans begin, pay on time or some days late, and end."""

    pattern: str
    seed: int
    loans: list[dict[str, object]] = field(default_factory=list)
    payments: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Loans of the last three years."""
        self.rng = np.random.default_rng(self.seed)
        for _ in range(LOANS):
            self._begin(START - timedelta(days=int(self.rng.integers(40, 1000))))

    def _day(self) -> int:
        if self.pattern in {"uniform", NO_WEEKENDS}:
            return int(self.rng.integers(1, 29))
        if self.pattern == "month end":
            return 31 if self.rng.random() < 0.5 else int(self.rng.integers(1, 29))  # noqa: PLR2004 - half
        return int(self.rng.choice(SIX_DAYS))

    def _begin(self, on: date) -> None:
        number = len(self.loans) + 1
        day = self._day()
        principal = int(self.rng.integers(36, 300)) * 1000
        late = self.rng.random() < LATE_SHARE
        name = self.rng.choice(list(SURNAMES)) + "".join(
            self.rng.choice(list(GIVEN), int(self.rng.integers(1, 3)))
        )
        loan = {
            "loan_id": f"00{number:08d}",
            "customer_id": f"C{number:06d}",
            "borrower_name": name,
            "phone": f"100{number:08d}",
            "product": str(self.rng.choice(["二手车贷", "新车贷", "新能源车贷"])),
            "principal": f"{principal}.00",
            "annual_rate": "0",
            "term_months": TERM,
            "disbursed_on": on,
            "first_due_on": due_date(on, 1 if on.day < 20 else 2, day),  # noqa: PLR2004 - not within days
            "due_day": day,
            "repayment_method": "equal_principal",
            "status": "active",
            "language": "zh-CN",
            "timezone": "Asia/Shanghai",
            "in_dispute": "",
        }
        if number % 10 == 0:  # a customer's second loan
            loan |= {name: self.loans[-5][name] for name in ("customer_id", "borrower_name", "phone")}
        self.loans.append(loan)
        self._pay(loan, principal * 100 // TERM, late=late)

    def _pay(self, loan: Mapping[str, object], each: int, *, late: bool) -> None:
        """Every payment the loan will ever make: on time or up to a week early; a late one some days after."""
        first = cast("date", loan["first_due_on"])
        principal = round(float(str(loan["principal"])) * 100)
        begun = cast("date", loan["disbursed_on"])
        for number in range(TERM):
            due = due_date(first, number, int(str(loan["due_day"])))
            behind = int(self.rng.integers(1, 20)) if late and self.rng.random() < 0.5 else 0  # noqa: PLR2004
            early = int(self.rng.integers(0, 6)) if self.rng.random() < 0.4 else 0  # noqa: PLR2004
            amount = each if number < TERM - 1 else principal - each * (TERM - 1)
            paid = self._posted(max(due + timedelta(days=behind or -early), begun))
            self.payments.append(
                {
                    "payment_id": f"P{len(self.payments) + 1:08d}",
                    "loan_id": loan["loan_id"],
                    "paid_on": paid,
                    "amount": f"{(amount + 1) / 100:.2f}"
                    if number < TERM - 1
                    else f"{(amount + 35) / 100:.2f}",
                }
            )

    def _posted(self, on: date) -> date:
        """The day on which a payment is booked."""
        rests = on.weekday() - SATURDAY if self.pattern == NO_WEEKENDS else -1
        return on + timedelta(days=2 - rests) if rests >= 0 else on

    def export(self, on: date) -> Export:
        """The tables as they stand at the beginning of `on`."""
        if self.rng.random() < 0.6:  # noqa: PLR2004 - a loan or so begins on most days
            self._begin(on)
        loans = pd.DataFrame(self.loans)
        loans["data_date"] = on.isoformat()
        loans = loans.assign(account_tail="1234", plate_no="")
        payments = pd.DataFrame(self.payments)
        payments = payments[payments["paid_on"] < on].sort_values("payment_id")
        return {
            "loans": loans,
            "payments": payments,
            "changes": pd.DataFrame(columns=["change_id", "loan_id", "type", "effective_on", "value"]),
            "events": pd.DataFrame(
                columns=["event_id", "loan_id", "type", "occurred_at", "amount", "detail"]
            ),
            "contacts": pd.DataFrame(
                columns=["customer_id", "role", "name", "phone", "language", "timezone"]
            ),
        }


def texts(export: Export) -> Text:
    """The tables as CSV."""
    return {name: frame.to_csv(index=False, lineterminator="\n") for name, frame in export.items()}


# The kinds of broken export. Each maps tonight's and last night's right export to a broken one.

Broken = Callable[[Export, Export], Export | Text]


def _loans(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Broken:
    return lambda tonight, _: {**tonight, "loans": change(tonight["loans"])}


def _payments(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Broken:
    return lambda tonight, _: {**tonight, "payments": change(tonight["payments"])}


def _times(frame: pd.DataFrame, name: str, factor: float) -> pd.DataFrame:
    return frame.assign(**{name: [f"{float(text) * factor:.2f}" for text in frame[name]]})


def _shifted(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.assign(**{name: np.roll(frame[name].to_numpy(), 1)})


def _garbled(name: str) -> str:
    return name.encode("utf-8").decode("gb18030", "replace")


def _latin(name: str) -> str:
    return name.encode("gbk").decode("latin-1")


def _rejected_overdue(tonight: Export, _: Export) -> Export:
    loans = tonight["loans"]
    ahead = tonight["payments"].groupby("loan_id").size().reindex(loans["loan_id"]).fillna(0).to_numpy()
    day = date.fromisoformat(str(loans["data_date"].iloc[0]))
    first = pd.to_datetime(loans["first_due_on"])
    due = (day.year - first.dt.year) * 12 + day.month - first.dt.month + (first.dt.day < day.day)
    late = due.clip(upper=TERM).to_numpy() > ahead
    return {**tonight, "loans": loans.assign(status=loans["status"].where(~late, "诉讼"))}


def _cut(table: str, share: float = 1.0) -> Broken:
    """The file ends in the middle of a line."""

    def broken(tonight: Export, _: Export) -> Text:
        written = texts(tonight)
        text = written[table]
        end = text.rindex("\n", 0, int(len(text) * share) - 1) + 25
        return {**written, table: text[:end]}

    return broken


KINDS: Final[dict[str, Broken]] = {
    "principal ×100": _loans(lambda loans: _times(loans, "principal", 100)),
    "principal ÷100": _loans(lambda loans: _times(loans, "principal", 0.01)),
    "payments ×100": _payments(lambda rows: _times(rows, "amount", 100)),
    "payments ÷100": _payments(lambda rows: _times(rows, "amount", 0.01)),
    "ids of loans lost zeros": _loans(lambda loans: loans.assign(loan_id=loans["loan_id"].str.lstrip("0"))),
    "ids of payments lost zeros": _payments(
        lambda rows: rows.assign(loan_id=rows["loan_id"].str.lstrip("0"))
    ),
    "ids of all tables lost zeros": lambda tonight, _: {
        **tonight,
        "loans": tonight["loans"].assign(loan_id=tonight["loans"]["loan_id"].str.lstrip("0")),
        "payments": tonight["payments"].assign(loan_id=tonight["payments"]["loan_id"].str.lstrip("0")),
    },
    "phones shifted by a row": _loans(lambda loans: _shifted(loans, "phone")),
    "one phone for all": _loans(lambda loans: loans.assign(phone=loans["phone"].iloc[0])),
    "names UTF-8 read as GBK": _loans(
        lambda loans: loans.assign(borrower_name=loans["borrower_name"].map(_garbled))
    ),
    "names GBK read as Latin-1": _loans(
        lambda loans: loans.assign(borrower_name=loans["borrower_name"].map(_latin))
    ),
    "names ????": _loans(lambda loans: loans.assign(borrower_name="????")),
    "names NULL": _loans(lambda loans: loans.assign(borrower_name="NULL")),
    "time zones of Chicago": _loans(lambda loans: loans.assign(timezone="America/Chicago")),
    "all settled": _loans(lambda loans: loans.assign(status="settled")),
    "half settled": _loans(
        lambda loans: loans.assign(
            status=["settled", "active"] * (len(loans) // 2) + ["active"] * (len(loans) % 2)
        )
    ),
    "due days five later": _loans(
        lambda loans: loans.assign(
            due_day=(loans["due_day"] + 4) % 28 + 1,
            first_due_on=[
                due_date(day, 0, (int(own) + 4) % 28 + 1)
                for day, own in zip(loans["first_due_on"], loans["due_day"], strict=True)
            ],
        )
    ),
    "phone column blank": _loans(lambda loans: loans.assign(phone="")),
    "product column gone": _loans(lambda loans: loans.drop(columns="product")),
    "name column blank": _loans(lambda loans: loans.assign(borrower_name="")),
    "no payments at all": _payments(lambda rows: rows.iloc[:0]),
    "half of the payments": _payments(lambda rows: rows.iloc[::2]),
    "payments of last month only": _payments(
        lambda rows: rows[rows["paid_on"] < rows["paid_on"].max() - timedelta(days=25)]
    ),
    "that, and one typed 2062": _payments(
        lambda rows: pd.concat(
            [
                rows[rows["paid_on"] < rows["paid_on"].max() - timedelta(days=25)],
                rows.tail(1).assign(paid_on="2062-11-16", payment_id="X"),
            ]
        )
    ),
    "payments of yesterday's export": lambda tonight, last: {**tonight, "payments": last["payments"]},
    "loans of yesterday's export": lambda tonight, last: {**tonight, "loans": last["loans"]},
    "payments of the future": _payments(
        lambda rows: rows.assign(paid_on=[day + timedelta(days=400) for day in rows["paid_on"]])
    ),
    "loans of the future": _loans(lambda loans: loans.assign(data_date="2027-12-01")),
    "loans a week old": _loans(
        lambda loans: loans.assign(
            data_date=str(date.fromisoformat(str(loans["data_date"].iloc[0])) - timedelta(days=7))
        )
    ),
    "a week old but for one cell": _loans(
        lambda loans: loans.assign(
            data_date=[
                loans["data_date"].iloc[0],
                *[str(date.fromisoformat(str(loans["data_date"].iloc[0])) - timedelta(days=7))]
                * (len(loans) - 1),
            ]
        )
    ),
    "half of the loans": _loans(lambda loans: loans.iloc[::2]),
    "delta instead of the whole": _loans(lambda loans: loans.tail(30)),
    "every loan rejected": _loans(lambda loans: loans.assign(status="未知")),
    "overdue loans rejected": _rejected_overdue,
    "everybody due today": _loans(
        lambda loans: loans.assign(
            first_due_on=loans["data_date"], due_day=loans["data_date"].str[-2:].astype(int)
        )
    ),
    "last line cut": _cut("loans"),
    "loans cut in the middle": _cut("loans", 0.6),
    "payments cut": _cut("payments"),
    "payments cut in the middle": _cut("payments", 0.9),
}
FIRST_NIGHT: Final = (
    "ids of payments lost zeros",
    "one phone for all",
    "phones shifted by a row",
    "names UTF-8 read as GBK",
    "names GBK read as Latin-1",
    "names ????",
    "names NULL",
    "time zones of Chicago",
    "all settled",
    "payments ×100",
    "principal ×100",
    "no payments at all",
    "payments of last month only",
    "that, and one typed 2062",
    "payments of the future",
    "loans of the future",
    "loans a week old",
    "a week old but for one cell",
    "delta instead of the whole",
    "every loan rejected",
    "overdue loans rejected",
    "everybody due today",
    "last line cut",
    "loans cut in the middle",
    "payments cut",
)
"""Kinds that need no night before."""


# The nights themselves.


def make_folder(folder: Path) -> None:
    """A lender's folder as `init` writes it, whose guards have their defaults; nothing is ever sent: it is night."""
    with redirect_stdout(StringIO()):
        init_folder(folder)
    path = folder / "config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")


def put(folder: Path, export: Export | Text) -> None:
    """Write an export."""
    for name in TABLES:
        table = export[name]
        text = table if isinstance(table, str) else table.to_csv(index=False, lineterminator="\n")
        (folder / "export" / f"{name}.csv").write_text(text, encoding="utf-8")


def app_of(folder: Path, on: date) -> App:
    """The app at two in the morning of a business date."""
    return build_app(folder / "config.yaml", datetime.fromisoformat(f"{on}T02:00:00+08:00"))


@dataclass(frozen=True)
class Outcome:
    """Right nights that were stopped, by date and guards; broken kinds that passed, by history and kind."""

    nights: int
    stopped: dict[str, tuple[str, ...]]
    tried: int
    passed: tuple[str, ...]


def live(pattern: str, nights: int, histories: tuple[int, ...], seed: int = 7) -> Outcome:
    """Live through right nights of one pattern, and try every broken kind after some of them."""
    lender, place = Lender(pattern, seed), Path(tempfile.mkdtemp())
    outcome, last = Outcome(nights, {}, 0, ()), lender.export(START - timedelta(days=1))
    try:
        folder = place / "lender"
        make_folder(folder)
        for number in range(nights):
            on = START + timedelta(days=number)
            export = lender.export(on)
            if number in histories:
                outcome = _try_all(folder, on, (export, last), outcome, number)
            put(folder, export)
            outcome = _right_night(folder, on, outcome)
            last = export
        return outcome
    finally:
        shutil.rmtree(place)


def _right_night(folder: Path, on: date, outcome: Outcome) -> Outcome:
    report = run_night(app_of(folder, on), NightOrder(on, "bench"))
    names = tuple(guard.guard for guard in report.stopping_guards)
    if not names:
        return outcome
    print(
        f"  right night {on} stopped: {'; '.join(guard.message for guard in report.stopping_guards)}",
        flush=True,
    )
    run_night(app_of(folder, on), NightOrder(on, "bench", frozenset(names), "right"))
    return replace(outcome, stopped={**outcome.stopped, on.isoformat(): names})


def _try_all(
    folder: Path, on: date, exports: tuple[Export, Export], outcome: Outcome, history: int
) -> Outcome:
    for kind in FIRST_NIGHT if history == 0 else KINDS:
        put(folder, KINDS[kind](*exports))
        report = preview_night(app_of(folder, on), NightOrder(on, "bench")).report
        names = [guard.guard for guard in report.stopping_guards]
        print(f"  {history:3} nights  {kind:32} {', '.join(names) or 'PASSED'}", flush=True)
        passed = () if names else (f"{history}: {kind}",)
        outcome = replace(outcome, tried=outcome.tried + 1, passed=(*outcome.passed, *passed))
    return outcome


def run(nights: float = NIGHTS) -> dict[str, float]:
    """Print both tables; `ok` when at most one right night was stopped and no broken kind passed."""
    begin, stops, tried, passed = time.perf_counter(), 0, 0, 0
    for pattern in PATTERNS:
        print(f"{pattern}:", flush=True)
        outcome = live(pattern, int(nights), HISTORIES)
        stops, tried, passed = (
            stops + len(outcome.stopped),
            tried + outcome.tried,
            passed + len(outcome.passed),
        )
        print(f"  {len(outcome.stopped)} of {outcome.nights} right nights stopped")
        print(
            f"  {len(outcome.passed)} of {outcome.tried} broken nights passed: {', '.join(outcome.passed) or '-'}"
        )
    seconds = time.perf_counter() - begin
    print(
        f"{stops} right nights stopped (at most {ALLOWED_STOPS}), {passed} of {tried} broken ones passed (none)"
    )
    print(f"{seconds:.0f} s")
    return {"stopped": stops, "passed": passed, "ok": float(stops <= ALLOWED_STOPS and not passed)}
