"""What guards measure: each measure sees its own fault, and none in right tables."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.notices.drifts import DRIFTS, measure
from carloan_notify.notices.expected import Expected, expected
from carloan_notify.notices.fingerprints import FINGERPRINT, LastNight, fingerprints, paired
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.measures import (
    FEW,
    MEASURES,
    Share,
    Tables,
    country_of_zone,
    unreadable,
)
from carloan_notify.notices.settings import EventType, RuleSettings, When
from carloan_notify.phones import calling_code

AS_OF = date(2026, 11, 23)
SINCE = AS_OF - timedelta(days=1)
LOANS = 40
INFORMATIVE = {"dues_unpaid"}


def hashes(texts: pd.Series) -> np.ndarray:
    return pd.util.hash_array(texts.to_numpy(dtype=object))


def right_tables() -> Tables:
    """Loans that all paid what was due; every one is due in five days, the 28th."""
    names = [f"L{number:03d}" for number in range(LOANS)]
    loans = pd.DataFrame([frames.blank_row(frames.LOANS)] * LOANS).assign(
        loan_id=names,
        customer_id=[f"C{name}" for name in names],
        borrower_name="钱伟",
        phone=[f"+861390000{number:04d}" for number in range(LOANS)],
        principal_minor=1_200_000,
        term_months=12,
        disbursed_on=pd.Timestamp("2026-06-20"),
        first_due_on=pd.Timestamp("2026-07-28"),
        due_day=28,
        status="active",
        timezone="Asia/Shanghai",
    )
    standing = pd.DataFrame([frames.blank_row(frames.STANDING)] * LOANS).assign(
        loan_id=names,
        status="active",
        next_due_on=pd.Timestamp("2026-11-28"),
        next_original_due_on=pd.Timestamp("2026-11-28"),
        next_due_minor=100_000,
        paid_minor=400_000,
    )
    paid = pd.DataFrame({"payment_id": names, "loan_id": names, "paid_on": pd.Timestamp("2026-10-28")})
    return Tables(
        AS_OF,
        loans.astype(dict(frames.LOANS)),
        standing.astype(dict(frames.STANDING)),
        payments=paid.assign(amount_minor=400_000).astype(dict(frames.PAYMENTS)),
    )


RIGHT = right_tables()


def of_loans(**columns: Any) -> Tables:
    return replace(RIGHT, loans=RIGHT.loans.assign(**columns).astype(dict(frames.LOANS)))


def of_standing(**columns: Any) -> Tables:
    return replace(RIGHT, standing=RIGHT.standing.assign(**columns).astype(dict(frames.STANDING)))


def of_payments(**columns: Any) -> Tables:
    assert RIGHT.payments is not None
    return replace(RIGHT, payments=RIGHT.payments.assign(**columns).astype(dict(frames.PAYMENTS)))


WRONG: dict[str, Tables] = {
    "phones_shared": of_loans(phone="+8613900000000"),
    "names_unreadable": of_loans(borrower_name="閽变紵"),
    "zones_foreign": of_loans(timezone="America/Chicago"),
    "orphans_payments": of_payments(loan_id="X"),
    "rows_of_the_future": of_payments(paid_on=pd.Timestamp("2027-11-23")),
    "nobody_paid": of_standing(paid_minor=0, overdue_minor=100_000, days_past_due=3),
    "none_active": of_standing(status="settled"),
    "due_today_oddly": of_standing(next_due_on=pd.Timestamp(AS_OF)),
    "amounts_impossible": of_standing(next_due_minor=10_000_000),
    "payments_out_of_scale": of_standing(paid_minor=40_000_000),
}


def prints(tables: Tables) -> np.ndarray:
    return fingerprints(tables.loans, tables.standing, hashes)


def drifted(before: Tables, after: Tables) -> set[str]:
    """The measures against the last night that find anything."""
    old = prints(before)
    pairs = paired(LastNight(SINCE, old[np.argsort(old["loan"])]), prints(after), AS_OF)
    found = measure(after, pairs)
    return {name for name in DRIFTS if found[name].part}


def test_right_tables_show_nothing() -> None:
    assert {name for name, share in measure(RIGHT, None).items() if share.part} == set()
    assert drifted(RIGHT, RIGHT) == set()


@pytest.mark.parametrize("name", WRONG)
def test_a_measure_sees_its_own_fault(name: str) -> None:
    share = MEASURES[name](WRONG[name])
    assert (share.part, share.whole) == (LOANS, LOANS)


DRIFTED: dict[str, Tables] = {
    "phones_changed": of_loans(phone=np.roll(RIGHT.loans["phone"].to_numpy(), 1)),
    "products_changed": of_loans(product="other"),
    "statuses_changed": of_standing(status="settled"),
    "due_dates_moved": of_standing(
        next_due_on=pd.Timestamp("2026-12-03"), next_original_due_on=pd.Timestamp("2026-12-03")
    ),
    "amounts_changed": of_standing(next_due_minor=200_000),
    "amounts_absurd": of_standing(next_due_minor=3_000_000),
    "asked_otherwise": of_standing(next_due_minor=150_000),
    "newly_overdue": of_standing(days_past_due=4, overdue_minor=100_000),
    "loans_new": of_loans(loan_id=[f"N{number}" for number in range(LOANS)]),
}
CALLED = {"due_dates_moved": "due_moves"}


@pytest.mark.parametrize("name", DRIFTED)
def test_a_drift_is_seen(name: str) -> None:
    after = DRIFTED[name]
    if name == "loans_new":
        after = replace(after, standing=RIGHT.standing.assign(loan_id=after.loans["loan_id"]))
    assert CALLED.get(name, name) in drifted(RIGHT, after)


def test_a_payment_or_a_change_row_is_a_reason() -> None:
    assert RIGHT.payments is not None
    next_month = pd.Timestamp("2026-12-28")
    paid = replace(
        of_standing(next_due_on=next_month, next_original_due_on=next_month),
        payments=RIGHT.payments.assign(paid_on=pd.Timestamp(SINCE)),
    )
    assert drifted(RIGHT, paid) == set()
    settled = replace(of_standing(status="settled"), payments=paid.payments)
    assert drifted(RIGHT, settled) == set()
    change = pd.DataFrame([frames.blank_row(frames.CHANGES)] * LOANS).assign(loan_id=RIGHT.loans["loan_id"])
    moved = replace(DRIFTED["due_dates_moved"], changes=change.astype(dict(frames.CHANGES)))
    assert "due_moves" not in drifted(RIGHT, moved)


def test_what_fell_due_and_was_not_paid() -> None:
    due = of_standing(next_due_on=pd.Timestamp(SINCE), next_original_due_on=pd.Timestamp(SINCE))
    late = of_standing(days_past_due=1, overdue_minor=100_000)
    assert drifted(due, late) == {"dues_unpaid"}  # expected to fall due, so that nothing is sudden


def test_a_shift_by_a_row_is_seen_by_customers_with_two_loans_and_by_the_contacts() -> None:
    pairs = [f"C{number // 2}" for number in range(LOANS)]
    numbers = np.repeat(RIGHT.loans["phone"].to_numpy()[::2], 2)
    contacts = pd.DataFrame([frames.blank_row(frames.CONTACTS)] * LOANS).assign(
        customer_id=pairs, role="borrower", phone=numbers
    )
    right = replace(of_loans(customer_id=pairs, phone=numbers), contacts=contacts)
    shifted = replace(right, loans=right.loans.assign(phone=np.roll(numbers, 1)))
    customers = LOANS // 2
    for name, wrong in (("phones_scattered", customers), ("phones_crossed", 0)):
        assert MEASURES[name](right) == Share(0, customers)
        assert MEASURES[name](shifted) == Share(wrong, customers)  # one of their two rows is still right
    alone = replace(
        RIGHT, contacts=contacts.assign(customer_id=RIGHT.loans["customer_id"], phone=RIGHT.loans["phone"])
    )
    assert MEASURES["phones_crossed"](alone) == Share(0, LOANS)
    crossed = replace(alone, loans=RIGHT.loans.assign(phone=np.roll(RIGHT.loans["phone"].to_numpy(), 1)))
    assert MEASURES["phones_crossed"](crossed) == Share(LOANS, LOANS)
    other = replace(
        alone, contacts=contacts.assign(customer_id=RIGHT.loans["customer_id"], phone="+8613800000000")
    )
    assert MEASURES["phones_crossed"](other) == Share(
        0, LOANS
    )  # a second number of one's own is none of another's


@pytest.mark.parametrize("principal", [0, 1_200_000])
@pytest.mark.parametrize("term", [0, 12])
@settings(max_examples=25, deadline=None)
@given(
    at=st.integers(0, LOANS - 1),
    others=st.lists(st.integers(100_000, 400_000), min_size=LOANS, max_size=LOANS),
)
def test_one_amount_typed_a_hundredfold_is_seen(
    principal: int, term: int, at: int, others: list[int]
) -> None:
    """On the first night, with or without a principal; without a term only what no last installment can be."""
    right = replace(
        of_loans(principal_minor=principal, term_months=term),
        standing=RIGHT.standing.assign(
            next_due_minor=others, next_installment_no=5 if term else 0, installments=term
        ),
    )
    assert MEASURES["amounts_unusual"](right).part == 0
    typed = others.copy()
    typed[at] *= 100
    wrong = replace(right, standing=right.standing.assign(next_due_minor=typed))
    assert MEASURES["amounts_unusual"](wrong).part == int(bool(term) or others[at] > np.median(typed))


def test_last_and_large_installments_are_no_slips() -> None:
    one = np.arange(LOANS) == 3
    asked = np.where(one, 6_000_000, 100_000)
    bare = of_loans(principal_minor=0, term_months=12)
    stands = RIGHT.standing.assign(
        next_due_minor=asked, installments=12, next_installment_no=np.where(one, 12, 5)
    )
    assert MEASURES["amounts_unusual"](replace(bare, standing=stands)).part == 0
    middle = stands.assign(next_installment_no=5)
    assert MEASURES["amounts_unusual"](replace(bare, standing=middle)).part == 1
    for column, value in (("balloon_minor", 1), ("repayment_method", "interest_only")):
        large = replace(bare, loans=bare.loans.assign(**{column: value}), standing=middle)
        assert MEASURES["amounts_unusual"](large).part == 0
    fleet = middle.assign(next_due_minor=np.where(np.arange(LOANS) < FEW, 6_000_000, 100_000))
    assert MEASURES["amounts_unusual"](replace(bare, standing=fleet)).part == 0
    late = RIGHT.standing.assign(
        overdue_minor=np.where(one, 10_000_000, 0), days_past_due=np.where(one, 3, 0)
    )
    assert MEASURES["amounts_unusual"](replace(bare, standing=late)).part == 1


@pytest.mark.parametrize(
    "name", ["????", "NULL", "nan", "é’±ä¼Ÿ", "Ç®Î°ÀöÇ¿", "寮犱笁", "鐜嬪皬鏄?", "锟斤拷", "王\ufffd"]
)
def test_names_that_cannot_be_read(name: str) -> None:
    assert unreadable(name)


@pytest.mark.parametrize(
    "name", ["钱0001", "钱伟", "王小明", "欧阳丽华", "Jürgen Müller", "Zoë", "Łukasz", "O’Brien", "Nann"]
)
def test_names_as_people_have_them(name: str) -> None:
    assert not unreadable(name)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4))
def test_a_chinese_name_read_as_latin_is_seen(name: str) -> None:
    assert unreadable(name.encode("utf-8").decode("latin-1"))
    assert unreadable(name.encode("utf-8").decode("gb18030", "replace"))


def test_codes_and_zones() -> None:
    assert [calling_code(number) for number in ("+8613900000000", "+12025550100", "+85212345678", "")] == [
        "86",
        "1",
        "852",
        "",
    ]
    assert [country_of_zone(zone) for zone in ("Asia/Urumqi", "PRC", "America/Chicago", "UTC")] == [
        "CN",
        "CN",
        "US",
        "ZZ",
    ]


def test_orphans_that_a_nameless_loan_row_explains() -> None:
    assert RIGHT.payments is not None
    cut = replace(RIGHT, loans=RIGHT.loans.iloc[1:], owners={"loans": pd.Series([""], dtype="str")})
    assert MEASURES["orphans_payments"](cut).part == 0
    assert MEASURES["orphans_payments"](replace(cut, owners={})).part == 1


RULES = [
    RuleSettings(notice="week", when=When(days_before_due=7)),
    RuleSettings(notice="late", when=When(days_past_due=3)),
]


def last(due: list[int], past_due: list[int]) -> LastNight:
    """Active loans with so many days to their next due date, and past due."""
    rows = np.zeros(len(due), dtype=FINGERPRINT)
    rows["status"], rows["past_due"] = 2, past_due
    rows["due"] = [(SINCE + timedelta(days=days) - date(2000, 1, 1)).days for days in due]
    return LastNight(SINCE, rows)


def test_what_tonight_is_expected_to_hold() -> None:
    assert expected(last([8, 8, 9, 7], [0, 0, 0, 0]), 1, RULES) == Expected(1, 2)
    assert expected(last([20, 20, 20], [2, 3, 1]), 1, RULES) == Expected(0, 1)
    event = RuleSettings(notice="paid", when=When(event=EventType.PAYMENT_RECEIVED))
    assert expected(last([0, 3, 25], [0, 0, 0]), 1, [event]) == Expected(0, 2)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=20), st.integers(0, 5)
)
def test_least_is_never_more_than_most(days: list[tuple[int, int]], nights: int) -> None:
    found = expected(last(*map(list, zip(*days, strict=True))), nights, DEFAULT_LADDER)
    assert 0 <= found.least <= found.most


@given(st.permutations(range(len(RIGHT.standing))), st.sets(st.integers(0, len(RIGHT.standing) - 1)))
def test_a_fingerprint_is_the_loans_own(order: list[int], unknown: set[int]) -> None:
    """Whatever the order of the standing, and whoever else is in it; a loan without one has no dates and no amounts."""
    whole = prints(RIGHT)
    left = RIGHT.standing.iloc[[place for place in order if place not in unknown]].reset_index(drop=True)
    found = fingerprints(RIGHT.loans, left, hashes)
    known = ~RIGHT.loans["loan_id"].isin(RIGHT.standing["loan_id"].iloc[sorted(unknown)]).to_numpy()
    assert (found[known] == whole[known]).all()
    assert not any(
        found[name][~known].any() for name in ("status", "due", "original", "past_due", "due_minor")
    )
    assert (found["loan"] == whole["loan"]).all()
