"""Who is told about a loan."""

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.decide import Identity, decide
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.recipients import RECIPIENTS, recipients
from carloan_notify.notices.settings import PolicySettings, Role, RuleSettings, When
from tests.unit.notices.tables import AS_OF, late, loans_table, no_dues, table

LOANS = loans_table("""
    loan_id | customer_id | phone
    L1      | C1          | +12025550101
    L2      | C1          | +12025550101
    L3      |             | +12025550103
""")


def people(contacts: str) -> pd.DataFrame:
    return recipients(LOANS, table(contacts, frames.CONTACTS))


def test_without_contacts_the_loan_row_names_the_borrower() -> None:
    found = recipients(LOANS, None)
    assert found.dtypes.astype(str).to_dict() == dict(RECIPIENTS)
    assert found["loan_id"].tolist() == ["L1", "L2", "L3"]
    assert set(found["role"]) == {"borrower"}
    assert found["phone"].tolist() == ["+12025550101", "+12025550101", "+12025550103"]


def test_a_contact_row_goes_before_the_loan_row_and_its_own_loan_first() -> None:
    found = people("""
        customer_id | loan_id | role     | phone        | language | opt_out   | do_not_contact
        C1          |         | borrower | +12025550111 | en       | marketing | yes
        C1          | L2      | borrower | +12025550122 |          | service   |
                    |         | borrower | +12025550199 |          |           |
    """).set_index("loan_id")
    assert found["phone"].to_dict() == {"L1": "+12025550111", "L2": "+12025550122", "L3": "+12025550103"}
    assert found["language"].to_dict() == {"L1": "en", "L2": "en", "L3": "zh-CN"}
    assert found["timezone"].unique().tolist() == ["Asia/Shanghai"]
    assert found.loc["L2", "opt_out"] == "service,marketing"
    assert found["do_not_contact"].to_dict() == {"L1": True, "L2": True, "L3": False}


def test_guarantors_are_told_apart_by_number_and_each_is_told_once() -> None:
    rows = [
        "C1 |    | guarantor   | Wang | +12025550131",
        "C1 |    | guarantor   | Chen | +12025550132",
        "C1 | L1 | guarantor   | Wang | +12025550131",
        "C1 | L1 | co_borrower | Zhao | +12025550133",
    ]
    header = "customer_id | loan_id | role | name | phone"
    found = people("\n".join([header, *rows]))
    of_l1 = found[(found["loan_id"] == "L1") & (found["role"] != "borrower")]
    assert of_l1[["role", "recipient_name", "person", "timezone"]].to_numpy().tolist() == [
        ["co_borrower", "Zhao", "+12025550133", "Asia/Shanghai"],
        ["guarantor", "Chen", "+12025550132", "Asia/Shanghai"],
        ["guarantor", "Wang", "+12025550131", "Asia/Shanghai"],
    ]
    pd.testing.assert_frame_equal(found, people("\n".join([header, *rows[::-1]])))


def test_a_dispute_of_the_loan_is_a_dispute_of_all_its_people() -> None:
    disputed = LOANS.assign(in_dispute=[True, False, False])
    contacts = table("customer_id | role | phone\nC1 | guarantor | +12025550131", frames.CONTACTS)
    found = recipients(disputed, contacts)
    assert found.loc[found["holds"] != "", ["loan_id", "role", "holds"]].to_numpy().tolist() == [
        ["L1", "borrower", "dispute"],
        ["L1", "guarantor", "~dispute"],
    ]


def test_each_role_of_a_rule_is_told_with_a_key_of_its_own() -> None:
    contacts = table(
        """
        customer_id | role      | name | phone
        C1          | guarantor | Wang | +12025550131
        C1          | guarantor | Chen | +12025550132
        """,
        frames.CONTACTS,
    )
    rule = RuleSettings(
        notice="n", when=When(days_past_due=1), who=(Role.BORROWER, Role.GUARANTOR, Role.CO_BORROWER)
    )
    found = decide(
        DecideInputs(LOANS, no_dues(), late(1), contacts=contacts),
        [rule],
        PolicySettings(),
        AS_OF,
        Identity("x", str),
    )
    assert found.notices[["role", "recipient_name"]].to_numpy().tolist() == [
        ["borrower", "Li Lei"],
        ["guarantor", "Chen"],
        ["guarantor", "Wang"],
    ]
    assert found.notices["idempotency_key"].nunique() == 3
    assert found.notices["customer_id"].unique().tolist() == ["C1"]
