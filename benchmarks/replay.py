"""49,073 real loan-months under three presets: what each lets through, and that it never lets too much through.

The loans and their monthly payments are those of public filings (origin: tests/data/README.loans.md). Filings give
months, not days: loan i falls due on day 1 + i mod 28, and what was paid in a month is paid on the due day. From its
first report to maturity a loan asks for the contract's installment every month; interest plays no part. Each preset has
the same loans, as borrowers there.

    python -m benchmarks replay              # every preset, the whole tape: about half an hour
    python -m benchmarks replay 60           # its first 60 days
"""

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import yaml
from holidays import HolidayBase, country_holidays

from carloan_notify import frames
from carloan_notify.app import build_app
from carloan_notify.config.example import sample_values
from carloan_notify.notices.law_settings import WEEKDAYS, Preset
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.pipeline.simulate import Walk
from carloan_notify.sources.read import read_all

DATA: Final = Path(__file__).parents[1] / "tests" / "data"
LOANS: Final = DATA / "absee_ally_carmax_loans.csv.gz"
MONTHS: Final = DATA / "absee_ally_carmax_monthly_sample.csv.gz"


@dataclass(frozen=True)
class Place:
    """Where the borrowers live under a preset."""

    preset: str
    country: str
    region: str
    zone: str
    phone: str  # E.164, a number to fill in


PLACES: Final = (
    Place("cn", "CN", "", "Asia/Shanghai", "+86100{:08d}"),
    Place("us-ma", "US", "MA", "America/New_York", "+1617555{:04d}"),
    Place("au", "AU", "", "Australia/Sydney", "+614910{:05d}"),
)


def tape() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sampled loans with their terms, and their loan-months."""
    months = pd.read_csv(MONTHS, parse_dates=["month_end"])
    terms = pd.read_csv(LOANS).set_index("loan_key")
    first = months.groupby("loan_key")["month_end"].min()
    loans = terms.loc[first.index].assign(started=first)
    loans = loans[(loans["scheduled_payment"] > 0) & (loans["begin_balance"] > 0)].reset_index()
    return loans, months[months["loan_key"].isin(loans["loan_key"])]


def loans_table(loans: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The loans as an export of this place."""
    start = loans["started"].to_numpy().astype("datetime64[M]")
    last = pd.to_datetime(loans["maturity_month"]).to_numpy().astype("datetime64[M]")
    term = np.maximum((last - start).astype(np.int64) + 1, 1)
    day = np.arange(len(loans)) % 28
    return pd.DataFrame(
        {
            "loan_id": loans["loan_key"],
            "customer_id": loans["loan_key"],
            "borrower_name": "Alex Morgan",
            "phone": [place.phone.format(number) for number in range(len(loans))],
            "principal": (loans["scheduled_payment"] * term).round(2),
            "annual_rate": 0,
            "term_months": term,
            "disbursed_on": (start - 1).astype("datetime64[D]") + day,
            "first_due_on": start.astype("datetime64[D]") + day,
            "due_day": day + 1,
            "repayment_method": "equal_principal",
            "status": "active",
            "language": "en",
            "timezone": place.zone,
            "country": place.country,
            "region": place.region,
        }
    )


def payments_table(loans: pd.DataFrame, months: pd.DataFrame) -> pd.DataFrame:
    """What was paid in each month, on the due day of the month; rows of PAYMENTS as a file has them."""
    rows = months[months["paid_total"] > 0].merge(loans[["loan_key"]].assign(day=np.arange(len(loans)) % 28))
    month = rows["month_end"].to_numpy().astype("datetime64[M]").astype("datetime64[D]")
    return pd.DataFrame(
        {
            "payment_id": rows["loan_key"] + "-" + rows["month_no"].astype(str),
            "loan_id": rows["loan_key"],
            "paid_on": month + rows["day"].to_numpy(),
            "amount": rows["paid_total"],
        }
    )


def lender(folder: Path, place: Place, loans: pd.DataFrame) -> Path:
    """A lender's folder with these loans, the shipped ladder and the preset of the place; its configuration."""
    init_folder(folder)
    values = sample_values()
    values["lender"] |= {"currency": "USD", "timezone": place.zone, "country": place.country}
    values["sources"] = {
        "loans": {"path": "export/loans.csv", "fictitious_phones": True},
        "payments": {"path": "export/none.csv"},
    }
    values["policy"] = {"presets": [place.preset], "default_language": "en"}
    loans_table(loans, place).to_csv(folder / "export" / "loans.csv", index=False)
    (folder / "export" / "none.csv").write_text("payment_id,loan_id,paid_on,amount\n", encoding="utf-8")
    (folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return folder / "config.yaml"


# What a preset says, read plainly from its file, and held against every message.


def windows_of(
    preset: Preset, day: date, message_class: str, channel: str, calendar: HolidayBase
) -> list[str]:
    """The windows that the preset sets for such a message on a local day; "none" for no contact."""
    names = [WEEKDAYS[day.weekday()], *(["holiday"] if day in calendar else [])]
    return [
        entry.window
        for entry in preset.hours
        if entry.message_class in {None, message_class}
        and entry.channel in {None, channel}
        and (not entry.days or set(names) & set(entry.days))
    ]


def outside(messages: pd.DataFrame, preset: Preset, place: Place) -> int:
    """Messages of which the first or the last moment lies outside a window of the preset."""
    calendar = country_holidays(place.country, subdiv=place.region or None)
    wrong = 0
    columns = (messages[name].tolist() for name in ("channel", "message_class", "not_before", "expires_at"))
    zone = ZoneInfo(place.zone)
    for channel, message_class, leaves, ends in zip(*columns, strict=True):
        opens, shuts = leaves.astimezone(zone), ends.astimezone(zone)
        for text in windows_of(preset, opens.date(), message_class, channel, calendar):
            first, _, last = text.partition("-")
            within = first <= opens.strftime("%H:%M") < last and shuts.strftime("%H:%M") <= last
            wrong += text == "none" or not within or shuts.date() != opens.date()
    return wrong


def over(messages: pd.DataFrame, preset: Preset, place: Place) -> int:
    """Messages that are one too many in the days before them, by the caps of the preset, one by one."""
    wrong = 0
    days = messages["not_before"].dt.tz_convert(place.zone).dt.tz_localize(None).dt.normalize()
    for cap in preset.caps:
        kind = pd.Series(data=True, index=messages.index)
        if cap.channel:
            kind &= messages["channel"] == cap.channel
        if cap.message_class:
            kind &= messages["message_class"] == cap.message_class
        for _, mine in days[kind].groupby(
            messages.loc[kind, "loan_id"]
        ):  # each loan has its borrower and number
            for day in mine:
                within = (mine <= day) & (mine > day - pd.Timedelta(days=cap.days))
                wrong += int(within.sum()) > cap.limit
    return wrong


def replayed(place: Place, days: int) -> dict[str, Any]:
    """The figures of one preset over the first so many days of the tape."""
    loans, months = tape()
    first = loans["started"].min().date().replace(day=1)
    last = min(months["month_end"].max().date(), first + timedelta(days=days - 1))
    with tempfile.TemporaryDirectory() as folder:
        app = build_app(lender(Path(folder), place, loans))
        sources = read_all(app.settings.sources, read_context(app, first))
        paid = payments_table(loans, months).rename(columns={"amount": "amount_minor"})
        paid["amount_minor"] = (paid["amount_minor"] * 100).round()
        walk = Walk(app, sources, paid.astype(dict(frames.PAYMENTS)))
        nights = [walk.night(first + timedelta(days=day)) for day in range((last - first).days + 1)]
    messages = pd.concat([night.messages for night in nights], ignore_index=True)
    withheld = pd.concat([night.withheld for night in nights], ignore_index=True)
    preset = next(each for each in app.settings.policy.law if each.name == place.preset)
    sent = messages[messages["outcome"] == "sent"]
    return {
        "loans": len(loans),
        "loan-months": int((months["month_end"] <= pd.Timestamp(last)).sum()),
        "nights": len(nights),
        "sent": len(sent),
        "of them collection": int((sent["message_class"] == "collection").sum()),
        "held or suppressed": len(withheld),
        "over a cap (nights)": int((withheld["reason"] == "over_cap").sum()),
        "given up at a cap": int((withheld["reason"] == "expired_over_cap").sum()),
        "outside hours": outside(sent, preset, place),
        "over a cap and sent": over(sent, preset, place),
    }


def run(days: float = 5 * 366) -> dict[str, float]:
    """Replay the tape under each preset; a single message outside hours or over a cap is a miss."""
    wrong = 0
    for place in PLACES:
        figures = replayed(place, int(days))
        wrong += figures["outside hours"] + figures["over a cap and sent"]
        months = max(figures["loan-months"], 1)
        print(f"{place.preset}: " + ", ".join(f"{name} {value:,}" for name, value in figures.items()))
        print(f"  {100 * figures['sent'] / months:.1f} messages per 100 loan-months", flush=True)
    return {"wrong": float(wrong), "ok": float(not wrong)}
