"""Let the scenarios of a file live through their nights, and say in their own words what was told."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd
import yaml

from carloan_notify import frames
from carloan_notify.app import build_app
from carloan_notify.config.example import sample_values
from carloan_notify.hold_codes import HoldReason
from carloan_notify.inbound.lexicon import action_for, shipped_lexicon
from carloan_notify.notices.hold_settings import DEFAULT_HOLDS
from carloan_notify.notices.promise_settings import PromisesSettings
from carloan_notify.notices.promises import PROMISES
from carloan_notify.pipeline import simulate
from carloan_notify.pipeline.holds import Recorded
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.promise_codes import PromiseState
from carloan_notify.records import MessageClass
from carloan_notify.sources.read import read_all
from tests.e2e.scenarios.parse import Group, Scenario

_LOAN: Final = re.compile(
    r"(?P<amount>[\d.]+) on the (?P<day>\d+)\w\w, first unpaid (?P<unpaid>[\d-]+)"
    r"(?:, (?P<left>\d+) left)?(?:, (?P<more>.*))?"
)
_PHONES: Final = {
    "CN": "+86100{:08d}",
    "US": "+1617555{:04d}",
    "IN": "+91987654{:04d}",
    "TH": "+6681234{:04d}",
    "ID": "+628123456{:04d}",
    "AU": "+614910{:05d}",
    "PH": "+63917123{:04d}",
}
_PAID_BEFORE: Final = 6
"""Installments of each loan that were paid before its first unpaid one."""
GRACE: Final = PromisesSettings().grace_days
Told = dict[date, list[str]]


def lived(group: Group, folder: Path) -> dict[str, Told]:
    """By title what each scenario was told: `sms due_today 08:00`, and `held sms overdue_3 promised`."""
    app = build_app(_written(group, folder))
    sources = read_all(app.settings.sources, read_context(app, min(map(min, map(group.days, _times(group))))))
    payments = _payments(group)
    told: dict[str, Told] = defaultdict(lambda: defaultdict(list))
    for night_at in _times(group):
        titles = {
            _loan_id(number): scenario.title
            for number, scenario in enumerate(group.scenarios)
            if scenario.night_at == night_at
        }
        walk = simulate.Walk(app, sources, payments, night_at=time.fromisoformat(night_at))
        before = walk.memory.recorded
        for day_of_night in group.days(night_at):
            record(walk, before, group, day_of_night)
            night = walk.night(day_of_night)
            for loan_id, day, said in _said(night):
                if loan_id in titles:
                    told[titles[loan_id]][day].append(said)
    return told


def _times(group: Group) -> list[str]:
    return sorted({scenario.night_at for scenario in group.scenarios})


def _said(night: simulate.Night) -> Iterator[tuple[str, date, str]]:
    """Each message and each notice withheld, with its loan and day, in the words of the scenarios."""
    sent = night.messages[night.messages["outcome"] == simulate.SENT]
    columns = (sent[name].tolist() for name in ("loan_id", "channel", "notice", "timezone", "not_before"))
    for loan_id, channel, notice, zone, leaves in zip(*columns, strict=True):
        at = leaves.astimezone(ZoneInfo(zone))
        yield loan_id, at.date(), f"{channel} {notice} {at:%H:%M}"
    for row in night.withheld.itertuples():
        yield str(row.loan_id), night.day, f"held {row.channel} {row.notice} {row.reason}"


def _loan_id(number: int) -> str:
    return f"S{number:03d}"


def _written(group: Group, folder: Path) -> Path:
    """The configuration and the export of a group's lender."""
    values = sample_values()
    tables = _tables(group)
    (folder / "export").mkdir(parents=True)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / "export" / f"{name}.csv", index=False)
    values["sources"] = {name: {"path": f"export/{name}.csv"} for name in tables}
    values["sources"]["loans"]["fictitious_phones"] = True
    values["messages"]["templates_dir"] = str(Path(__file__).parents[3] / "templates")
    own = ("presets", "zone")
    values["lender"] |= {"timezone": group.options.get("zone", "Asia/Shanghai")}
    values |= {name: value for name, value in group.options.items() if name not in own}
    values["policy"] = values.get("policy", {}) | {"presets": group.options.get("presets", [])}
    values["policy"].setdefault("default_language", "en")
    values["messages"] |= {"pay_link_base": "", "certificate_link_base": ""}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


def _tables(group: Group) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, scenario in enumerate(group.scenarios):
        loan, before = _loan(number, scenario)
        tables["loans"].append(loan)
        tables["payments"] += before
        for name, row in _happened(number, scenario):
            tables[name].append(row)
    tables["events"].append(
        dict.fromkeys(("event_id", "loan_id", "type", "occurred_at", "amount", "detail"), "")
    )
    tables["changes"].append(dict.fromkeys(("change_id", "loan_id", "type", "effective_on", "value"), ""))
    return {name: [row for row in rows if any(row.values())] or rows for name, rows in tables.items()}


def _loan(number: int, scenario: Scenario) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The loan's row, and the payments before the first unpaid installment."""
    if not (found := _LOAN.fullmatch(scenario.loan)):
        raise ValueError(
            f"{scenario.title}: the loan is written as `1000.00 on the 10th, first unpaid 2026-11-10`"
        )
    unpaid, left = date.fromisoformat(found["unpaid"]), int(found["left"] or 6)
    dues = [(pd.Timestamp(unpaid) - pd.DateOffset(months=back)).date() for back in range(_PAID_BEFORE, 0, -1)]
    country, zone, language, *more = (part.strip() for part in scenario.person.split(","))
    term = _PAID_BEFORE + left
    loan = {
        "loan_id": _loan_id(number),
        "customer_id": f"C{number:03d}",
        "borrower_name": "Alex Morgan",
        "phone": _PHONES[country[:2]].format(number + 1),
        "product": "car",
        "principal": f"{float(found['amount']) * term:.2f}",
        "annual_rate": "0",
        "term_months": term,
        "disbursed_on": dues[0] - timedelta(days=30),
        "first_due_on": dues[0],
        "due_day": int(found["day"]),
        "repayment_method": "equal_principal",
        "status": "active",
        "language": language,
        "timezone": zone,
        "country": country[:2],
        "region": country[3:],
        "account_tail": "1111",
    }
    loan |= dict(pair.split("=", 1) for pair in [*more, *(found["more"] or "").split(", ")] if "=" in pair)
    paid = [
        {
            "payment_id": f"B{number}-{due}",
            "loan_id": loan["loan_id"],
            "paid_on": due,
            "amount": found["amount"],
        }
        for due in dues
    ]
    return loan, paid


def _happened(number: int, scenario: Scenario) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of the tables for what happens to the loan, but for payments."""
    loan_id = _loan_id(number)
    for place, step in enumerate(scenario.steps):
        for what in step.happens:
            verb, *words = what.split()
            row = {"loan_id": loan_id, "type": words[0]}
            name, value = f"{loan_id}-{place}", words[1] if words[1:] else ""
            if verb == "event":
                told = {
                    "event_id": name,
                    "occurred_at": step.day,
                    "amount": value,
                    "detail": " ".join(words[2:]),
                }
                yield "events", row | told
            elif verb == "change":
                yield "changes", row | {"change_id": name, "effective_on": step.day, "value": value}
            elif verb not in {"pays", "hold", "says", "promises"}:
                raise ValueError(f"{scenario.title}: {what!r} is nothing that can happen")


# What a clerk or a reply puts on record is known to the night of its day; a payment to the night after.


def record(walk: simulate.Walk, before: Recorded, group: Group, day: date) -> None:
    """Put on record what has happened up to a day."""
    holds, opt_outs, promised = [], [], []
    for number, scenario in enumerate(group.scenarios):
        for step in scenario.steps:
            for what in step.happens if step.day <= day else ():
                verb, _, rest = what.partition(" ")
                if verb == "hold":
                    holds.append(_hold(number, step.day, *rest.split(" until ")))
                elif verb == "promises":
                    promised.append(_promise(number, step.day, *rest.split(" on ")))
                elif verb == "says":
                    action = action_for(
                        shipped_lexicon().read(rest), (MessageClass.COLLECTION, MessageClass.MARKETING)
                    )
                    holds += [_hold(number, step.day, kind.value) for kind in action.holds]
                    opt_outs += [_opt_out(number, stop) for stop in action.stops]
    holds += [_hold(number, made, "promise", str(ends)) for number, made, ends in _open(promised, walk, day)]
    walk.promises = pd.DataFrame([row for _, row in promised], columns=list(PROMISES)).astype(dict(PROMISES))
    walk.memory = replace(
        walk.memory,
        recorded=replace(
            before,
            customer_ref=str,
            holds=pd.concat([before.holds, _like(before.holds, holds)], ignore_index=True),
            suppressions=pd.concat(
                [before.suppressions, _like(before.suppressions, opt_outs)], ignore_index=True
            ),
        ),
    )


def _like(frame: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=frame.columns).astype(frame.dtypes.to_dict())


def _hold(number: int, day: date, kind: str, until: str = "") -> dict[str, Any]:
    last = DEFAULT_HOLDS[HoldReason(kind)].last_day(day, date.fromisoformat(until) if until else None)
    own = {"loan_id": _loan_id(number), "kind": kind, "until": pd.Timestamp(last) if last else pd.NaT}
    return {
        "customer_ref": "",
        "phone_hash": "",
        "message_class": "",
        **own,
        "set_by": "clerk",
        "set_on": str(day),
    }


def _opt_out(number: int, message_class: MessageClass | None) -> dict[str, Any]:
    return {
        "phone_hash": "",
        "customer_ref": f"C{number:03d}",
        "message_class": message_class.value if message_class else "",
        "reason": "reply",
    }


def _promise(number: int, day: date, amount: str, pay_on: str) -> tuple[int, dict[str, Any]]:
    ends = pd.Timestamp(pay_on) + pd.Timedelta(days=GRACE)
    days = {"made_on": pd.Timestamp(day), "pay_on": pd.Timestamp(pay_on), "ends_on": ends}
    sums = {"amount_minor": round(float(amount) * 100), "threshold_percent": 100}
    return number, {
        "promise_id": f"Z{number:03d}",
        "loan_id": _loan_id(number),
        "state": PromiseState.OPEN.value,
        "source": "clerk",
        **days,
        **sums,
        **dict.fromkeys(("paid_minor", "paid_before_minor", "overdue_before_minor"), 0),
    }


def _open(
    promised: list[tuple[int, dict[str, Any]]], walk: simulate.Walk, day: date
) -> Iterator[tuple[int, date, date]]:
    """Promises that a payment before that day has not kept."""
    paid = walk.payments[walk.payments["paid_on"] < pd.Timestamp(day)]
    for number, row in promised:
        mine = paid[(paid["loan_id"] == row["loan_id"]) & (paid["paid_on"] >= row["made_on"])]
        if mine["amount_minor"].sum() < row["amount_minor"]:
            yield number, row["made_on"].date(), row["ends_on"].date()


def _payments(group: Group) -> pd.DataFrame:
    """PAYMENTS that are made during the days."""
    rows = [
        (f"P{number}-{place}", _loan_id(number), pd.Timestamp(step.day), round(float(what.split()[1]) * 100))
        for number, scenario in enumerate(group.scenarios)
        for place, step in enumerate(scenario.steps)
        for what in step.happens
        if what.startswith("pays ")
    ]
    return pd.DataFrame(rows, columns=list(frames.PAYMENTS)).astype(dict(frames.PAYMENTS))
