"""Who is told about a loan: its borrower, and the co-borrowers and guarantors of the contacts table."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.frames import among
from carloan_notify.notices.holds import column_holds
from carloan_notify.notices.holds import of_loan as of_loan_row
from carloan_notify.notices.settings import Role

RECIPIENTS: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "role": frames.TEXT,
    "person": frames.TEXT,  # who it is within loan and role: the number, else the name; "" for the borrower
    "recipient_name": frames.TEXT,
    "phone": frames.TEXT,
    "language": frames.TEXT,
    "timezone": frames.TEXT,
    "country": frames.TEXT,
    "region": frames.TEXT,
    "channels": frames.TEXT,
    "preferred_hours": frames.TEXT,
    "consent": frames.TEXT,
    "opt_out": frames.TEXT,
    "do_not_contact": frames.FLAG,
    "holds": frames.TEXT,  # see holds.column_holds
    "phone_verified_on": frames.DATE,
}
_SAID_FIRST: Final = (
    "recipient_name",
    "phone",
    "language",
    "timezone",
    "country",
    "region",
    "channels",
    "preferred_hours",
    "consent",
)
_JOINED: Final = ("opt_out", "holds")
_PERSON: Final = ["loan_id", "role", "person"]


def recipients(loans: pd.DataFrame, contacts: pd.DataFrame | None) -> pd.DataFrame:
    """RECIPIENTS of these loans and the lender's own columns of contacts, sorted by loan, role, name and phone.

    A loan has one borrower. What its contact rows say goes, field by field, before what the loan row says,
    and a row for this very loan before one for all loans of the customer; a refusal or a dispute in any of
    them holds. Each co-borrower and guarantor is a recipient of its own (one per phone), with the loan's
    language and time zone where its own are blank. No place in any list says who they are, so that nobody's
    identity changes when others come, go or are renamed.
    """
    if contacts is None or contacts.empty:
        rows = _borrowers_by_loan(loans)
    else:
        about = _contact_rows(loans, contacts)
        own = own_columns(contacts)
        borrowers = _borrowers_by_loan(loans)
        blank = frames.blank_rows({name: contacts[name].dtype.name for name in own}, len(borrowers))
        rows = pd.concat(
            [pd.concat([borrowers.reset_index(drop=True), blank], axis=1), about], ignore_index=True
        )
    people = _one_row_each(rows)
    people = people.sort_values(
        ["loan_id", "role", "recipient_name", "phone"], kind="stable", ignore_index=True
    )
    return people.astype(dict(RECIPIENTS))[[*RECIPIENTS, *own_columns(people)]]


def own_columns(table: pd.DataFrame) -> list[str]:
    """The lender's own columns of contacts, in a frame of contacts or of recipients."""
    ours = {*frames.CONTACTS, *RECIPIENTS, "rank"}
    return [str(name) for name in table.columns if name not in ours]


def _borrowers_by_loan(loans: pd.DataFrame) -> pd.DataFrame:
    """Every loan's own row, as what is said last of its borrower."""
    rows = loans[["loan_id", "phone", "language", "timezone", "country", "region"]]
    return rows.assign(
        holds=column_holds(loans["hold"], loans["hold_until"], loans["in_dispute"]),
        phone_verified_on=pd.Series(pd.NaT, index=loans.index, dtype=frames.DATE),
        role=Role.BORROWER.value,
        recipient_name=loans["borrower_name"],
        channels="",
        preferred_hours="",
        consent="",
        opt_out="",
        do_not_contact=False,
        person="",
        rank=2,
    )


def _contact_rows(loans: pd.DataFrame, contacts: pd.DataFrame) -> pd.DataFrame:
    """Contact rows of these loans, a customer's once per loan; `rank` 0: for this very loan."""
    its_holds = column_holds(contacts["hold"], contacts["hold_until"], contacts["in_dispute"])
    contacts = contacts.rename(columns={"name": "recipient_name"}).assign(holds=its_holds)
    own = own_columns(contacts)
    contacts = contacts[["customer_id", *(name for name in RECIPIENTS if name in contacts), *own]]
    whose = loans[["loan_id", "customer_id"]]
    for_one = contacts[among(contacts["loan_id"], whose["loan_id"])].drop(columns="customer_id")
    for_all = contacts[(contacts["loan_id"] == "") & (contacts["customer_id"] != "")].drop(columns="loan_id")
    spread = for_all.merge(whose, on="customer_id").drop(columns="customer_id")
    rows = pd.concat([for_one.assign(rank=0), spread.assign(rank=1)], ignore_index=True)
    others = rows["role"] != Role.BORROWER.value
    rows["person"] = rows["phone"].where(rows["phone"] != "", rows["recipient_name"]).where(others, "")
    of_loan = rows[["loan_id"]].merge(loans, on="loan_id", how="left")
    for name in ("language", "timezone", "country", "region"):
        rows[name] = rows[name].mask(others & (rows[name] == ""), of_loan[name])
    by_loan = of_loan_row(column_holds(of_loan["hold"], of_loan["hold_until"], of_loan["in_dispute"]))
    rows["holds"] = _joined(rows["holds"], by_loan.where(others, ""))
    return rows


def _joined(one: pd.Series, other: pd.Series) -> pd.Series:
    """Two comma lists as one."""
    return (one + "," + other).str.strip(",")


def _one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per person and loan out of all rows that speak of it, lowest rank first."""
    repeated = rows.duplicated(_PERSON, keep=False)
    single, several = rows[~repeated], rows[repeated]
    if several.empty:
        return single
    several = several.sort_values([*_PERSON, "rank", "recipient_name", "phone"], kind="stable")
    for name in _JOINED:
        several[name] += ","
    several["phone_verified_on"] = several["phone_verified_on"].where(_of_chosen_phone(several))
    own = own_columns(several)
    blank = frames.blank_row({name: several[name].dtype.name for name in own})
    said_first = {**dict.fromkeys(_SAID_FIRST, ""), **blank}
    said = several.assign(
        **{name: several[name].mask(several[name] == nothing) for name, nothing in said_first.items()}
    )
    groups = said.groupby(_PERSON, sort=False)
    merged = groups.agg(
        {
            **dict.fromkeys(said_first, "first"),
            **dict.fromkeys(_JOINED, "sum"),
            "do_not_contact": "any",
            "phone_verified_on": "max",
        }
    ).reset_index()
    for name, nothing in said_first.items():
        merged[name] = (
            merged[name].astype("object").where(merged[name].notna(), nothing).astype(several[name].dtype)
        )
    for name in _JOINED:
        merged[name] = merged[name].str.strip(",")
    return pd.concat([single[merged.columns], merged], ignore_index=True)


def _of_chosen_phone(rows: pd.DataFrame) -> pd.Series:
    """Which of these sorted rows speak of the number that their person is told on: theirs, or they name none."""
    chosen = (
        rows["phone"].mask(rows["phone"] == "").groupby([rows[name] for name in _PERSON]).transform("first")
    )
    return (rows["phone"] == "") | (rows["phone"] == chosen)
