"""What is said of one loan alone is what the whole night would decide about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carloan_notify.app import App, build_app
from carloan_notify.errors import SourceError
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.pipeline import one_loan
from carloan_notify.pipeline.night import NAMES, NightOrder, run_night
from carloan_notify.pipeline.one_loan import explain_loan, preview_loan
from carloan_notify.pipeline.plan import Memory, remember
from carloan_notify.pipeline.preview import preview_night
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.sources.read import Sources, read_all
from carloan_notify.sources.settings import ReadContext, SourcesSettings

AS_OF: Final = date(2026, 11, 23)
EARLY: Final = datetime.fromisoformat("2026-11-23T02:00:00+08:00")
ORDER: Final = NightOrder(AS_OF, "tester", accept=frozenset(NAMES), reason="drawn by a test")
LOANS: Final = (
    "loan_id,customer_id,borrower_name,phone,product,principal,annual_rate,term_months,disbursed_on,"
    "first_due_on,due_day,repayment_method,status,language,timezone,account_tail,data_date"
)
IDS: Final = ("L1", "L2", "L3", "L4", "L5", "L6")
DUE: Final = ("2026-11-23", "2026-11-22", "2026-11-30", "2026-11-20", "2026-10-24")


@dataclass(frozen=True)
class Export:
    """The lines of the tables of a night."""

    loans: Sequence[str]
    payments: Sequence[str]
    contacts: Sequence[str]


def phones() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["10000000001", "100-0000-0001", "+8610000000002", "10000000002", "10000000003", ""]
    )


@st.composite
def exports(draw: st.DrawFn) -> Export:
    customers, due = st.sampled_from(["C1", "C2", "C3"]), st.sampled_from(DUE)
    loans = []
    for loan_id in draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=7)):
        first = draw(due)
        loans.append(
            f"{draw(st.sampled_from([loan_id, loan_id, loan_id.lower()]))},{draw(customers)},钱一,{draw(phones())},"
            f"car,1200,0,12,2026-05-01,{first},{first[-2:]},equal_principal,active,"
            f"{draw(st.sampled_from(['zh-CN', 'en']))},Asia/Shanghai,1111,{AS_OF}"
        )
    payments = [
        f"{draw(st.sampled_from(['P1', 'P2', 'P3']))},{draw(st.sampled_from(IDS))},{draw(due)},"
        f"{draw(st.sampled_from(['100.00', '40.00', 'much']))}"
        for _ in range(draw(st.integers(0, 4)))
    ]
    contacts = [
        f"{draw(customers)},{draw(st.sampled_from(['borrower', 'guarantor', 'nobody']))},孙七,{draw(phones())},zh-CN,"
        for _ in range(draw(st.integers(0, 3)))
    ]
    return Export(loans, payments, contacts)


PAYMENTS: Final = "payment_id,loan_id,paid_on,amount"
CONTACTS: Final = "customer_id,role,name,phone,language,timezone"


def write(folder: Path, export: Export) -> None:
    tables = {
        "loans": (LOANS, export.loans),
        "payments": (PAYMENTS, export.payments),
        "contacts": (CONTACTS, export.contacts),
    }
    for name, (header, rows) in tables.items():
        text = "\n".join([header, *rows]) + "\n"
        (folder / "export" / f"{name}.csv").write_text(text, encoding="utf-8")


def loan_line(loan_id: str, customer: str, phone: str, first: str) -> str:
    return (
        f"{loan_id},{customer},钱一,{phone},car,1200,0,12,2026-05-01,{first},{first[-2:]},equal_principal,active,"
        f"zh-CN,Asia/Shanghai,1111,{AS_OF}"
    )


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lender who merges, whose caps hold back, and who told some of it the night before."""
    folder = tmp_path_factory.mktemp("one") / "lender"
    init_folder(folder)
    path = folder / "config.yaml"
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in ("changes", "events"):
        del values["sources"][name]
    values["messages"]["pay_link_base"] = ""
    for rule in values["rules"]:
        rule["who"] = ["borrower", "guarantor"] if rule.get("class") == "collection" else ["borrower"]
    values["policy"] = {
        "default_language": "zh-CN",
        "caps": [
            {"per": "number", "channel": "sms", "days": 2, "limit": 2},
            {"per": "borrower", "channel": "voice", "class": "collection", "days": 1, "limit": 1},
        ],
    }
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    loans = [loan_line(loan_id, "C1", "10000000001", due) for loan_id, due in zip(IDS[:3], DUE, strict=False)]
    write(folder, Export(loans, (), ()))
    evening = datetime.fromisoformat("2026-11-22T02:00:00+08:00")
    night = replace(ORDER, as_of=date(2026, 11, 22))
    run_night(build_app(path, evening), night)
    return folder


def whole(settings: SourcesSettings, context: ReadContext, loan_id: str) -> Sources:  # noqa: ARG001 - as the other
    return read_all(settings, context)


def everything(app: App, ledger: Ledger, phones: object, customers: object) -> Memory:  # noqa: ARG001 - as the other
    return remember(app, ledger)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exports(), st.sampled_from(IDS))
def test_one_loan_alone_gets_what_the_night_decides(lender: Path, export: Export, loan_id: str) -> None:
    write(lender, export)
    app = build_app(lender / "config.yaml", EARLY)
    night = [row for row in preview_night(app, ORDER).rows if row["loan_id"] == loan_id]
    assert preview_loan(app, loan_id, AS_OF) == night
    alone = explained(app, loan_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_loan, "read_connected", whole)
        patch.setattr(one_loan, "remember_people", everything)
        assert alone == explained(app, loan_id)
    assert not isinstance(alone, str) or not night


def explained(app: App, loan_id: str) -> object:
    try:
        return explain_loan(app, loan_id, AS_OF, "en")
    except SourceError as error:
        return str(error)


def test_a_cap_counts_what_another_customer_of_the_number_gets(lender: Path) -> None:
    loans = [loan_line(loan_id, f"C{n}", "10000000009", "2026-11-20") for n, loan_id in enumerate(IDS[:4])]
    write(lender, Export(loans, (), ()))
    app = build_app(lender / "config.yaml", EARLY)
    said = [row["decision"] for loan_id in IDS[:4] for row in preview_loan(app, loan_id, AS_OF)]
    assert said.count("queued") == 2
    assert said.count("held") == 2


def test_one_message_tells_of_two_loans_of_a_customer(lender: Path) -> None:
    loans = [loan_line(loan_id, "C9", "10000000009", "2026-11-23") for loan_id in IDS[:2]]
    write(lender, Export(loans, (), ()))
    app = build_app(lender / "config.yaml", EARLY)
    ((first,), (second,)) = (preview_loan(app, loan_id, AS_OF) for loan_id in IDS[:2])
    assert (first["decision"], second["reason"]) == ("queued", "merged")
    assert "200.00" in first["text"]


def test_a_loan_that_stands_twice_is_rejected_as_in_the_whole_night(lender: Path) -> None:
    loans = [loan_line("L1", "C1", "10000000001", day) for day in DUE[:2]]
    write(lender, Export(loans, (), ()))
    told = explain_loan(build_app(lender / "config.yaml", EARLY), "L1", AS_OF, "en")
    assert [row.split(": ")[0].rpartition(":")[2] for row in told["rejected_rows"]] == ["2", "3"]
    assert told["standing"] == {}
    assert told["tonight"] == []
