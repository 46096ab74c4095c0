"""Who is told about a loan: its borrower, and the co-borrowers and guarantors of the contacts table."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.frames import among
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
    "in_dispute": frames.FLAG,
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
_HELD_BY_ANY: Final = ("do_not_contact", "in_dispute")
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
    rows = loans[["loan_id", "phone", "language", "timezone", "country", "region", "in_dispute"]]
    return rows.assign(
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
    contacts = contacts.rename(columns={"name": "recipient_name"})
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
    rows["in_dispute"] |= of_loan["in_dispute"]
    return rows


def _one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per person and loan out of all rows that speak of it, lowest rank first."""
    repeated = rows.duplicated(_PERSON, keep=False)
    single, several = rows[~repeated], rows[repeated]
    if several.empty:
        return single
    several = several.sort_values([*_PERSON, "rank", "recipient_name", "phone"], kind="stable")
    several["opt_out"] += ","
    own = own_columns(several)
    blank = frames.blank_row({name: several[name].dtype.name for name in own})
    said_first = {**dict.fromkeys(_SAID_FIRST, ""), **blank}
    said = several.assign(
        **{name: several[name].mask(several[name] == nothing) for name, nothing in said_first.items()}
    )
    groups = said.groupby(_PERSON, sort=False)
    merged = groups.agg(
        {**dict.fromkeys(said_first, "first"), **dict.fromkeys(_HELD_BY_ANY, "any"), "opt_out": "sum"}
    ).reset_index()
    for name, nothing in said_first.items():
        merged[name] = (
            merged[name].astype("object").where(merged[name].notna(), nothing).astype(several[name].dtype)
        )
    merged["opt_out"] = merged["opt_out"].str.strip(",")
    return pd.concat([single[merged.columns], merged], ignore_index=True)
