"""Holds: why messages about a loan or to a person wait, until when, and which of them. Pure and vectorised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.frames import among
from carloan_notify.hold_codes import HoldReason, Then, Whom
from carloan_notify.notices.hold_settings import HoldRule, HoldsSettings

HOLDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("loan_id", "customer_id", "phone_hash", "message_class", "kind"), frames.TEXT),
    "until": frames.DATE,
    **dict.fromkeys(("set_by", "set_on"), frames.TEXT),
}
"""Holds that somebody set. Each binds what has its loan, its customer or its number ("" names none), of its
`message_class` ("" for all that its `kind`, a hold_codes.HoldReason, keeps back). `until` is the last day on which it
holds, NaT where it has no end; `set_by` and `set_on` (ISO date) say who set it, and when."""

OVERDUE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("loan_id", "kind", "set_by", "set_on", "then"), frames.TEXT),
    "until": frames.DATE,
}
"""A hold whose last day is over, by each loan that it concerns."""

REASON_OF: Final[Mapping[HoldReason, Reason]] = MappingProxyType(
    {
        HoldReason.DECEASED: Reason.DECEASED,
        HoldReason.BANKRUPTCY: Reason.BANKRUPTCY,
        HoldReason.LAWYER: Reason.LAWYER,
        HoldReason.DISPUTE: Reason.IN_DISPUTE,
        HoldReason.BEREAVEMENT: Reason.BEREAVEMENT,
        HoldReason.DISASTER: Reason.DISASTER,
        HoldReason.HARDSHIP: Reason.HARDSHIP,
        HoldReason.PAUSE: Reason.PAUSED,
        HoldReason.PROMISE: Reason.PROMISED,
    }
)
"""What is said of a notice that a hold keeps back, in the order in which it is asked."""

OF_LOAN: Final = "~"
"""Stands before a hold that the loan's row gives to its other parties: it is no hold of that person."""

_BY_LOAN: Final = ("loan_id", "customer_id")
"""Subjects under which a hold binds only those parties of the loan that its rule names."""


def held(
    notices: pd.DataFrame, holds: pd.DataFrame, settings: HoldsSettings, day: date
) -> dict[Reason, pd.Series]:
    """Which notices wait for a hold of each kind on `day`, a mask per reason in the order of REASON_OF.

    `notices` has loan_id, customer_id, phone_hash, notice, channel, role, message_class and `holds`, what the tables
    say of its person (`column_holds`); the frame `holds` is HOLDS.
    """
    standing = holds[stands(holds, settings, day)]
    said = _said(notices["holds"], settings, day)
    there = {*standing["kind"], *(one.kind for holds_of_text in said.values() for one in holds_of_text)}
    nobody = pd.Series(data=False, index=notices.index)
    return {
        reason: _reached(notices, settings.rule(kind), settings)
        & (
            _named(notices, standing[standing["kind"] == kind.value], settings.rule(kind))
            | _by_column(notices, said, kind, settings.rule(kind))
        )
        if kind in there
        else nobody
        for kind, reason in REASON_OF.items()
    }


def stands(holds: pd.DataFrame, settings: HoldsSettings, day: date) -> pd.Series:
    """Which of these HOLDS keep something back on `day`; those that a person must look at do so beyond their end."""
    over = holds["until"] < pd.Timestamp(day)
    return ~over | among(holds["kind"], _kinds_that(settings, Then.REVIEW, Then.STAYS))


def _kinds_that(settings: HoldsSettings, *then: Then) -> Sequence[str]:
    return [kind.value for kind in REASON_OF if settings.rule(kind).then in then]


def _reached(notices: pd.DataFrame, rule: HoldRule, settings: HoldsSettings) -> pd.Series:
    """Which notices such a hold keeps back, whoever it binds."""
    mask = among(notices["message_class"], [each.value for each in rule.classes])
    if rule.channels:
        mask &= among(notices["channel"], [each.value for each in rule.channels])
    if rule.statutory:
        mask &= ~among(notices["notice"], settings.statutory)
    return mask


def _named(notices: pd.DataFrame, holds: pd.DataFrame, rule: HoldRule) -> pd.Series:
    """Which notices these holds of one kind name, by number, loan or customer."""
    mask = pd.Series(data=False, index=notices.index)
    of_party = notices["role"] == Whom.BORROWER.value
    for message_class in holds["message_class"].unique():
        of_class = (notices["message_class"] == message_class) | (message_class == "")
        binding = holds[holds["message_class"] == message_class]
        for subject in ("phone_hash", *_BY_LOAN):
            named = among(notices[subject], binding.loc[binding[subject] != "", subject])
            party = of_party if subject in _BY_LOAN and rule.whom is Whom.BORROWER else True
            mask |= of_class & named & party
    return mask


# Holds that the lender's tables name: a person's row, or the loan's for everybody concerned.


def column_holds(kinds: pd.Series, until: pd.Series, in_dispute: pd.Series) -> pd.Series:
    """What a row's columns `hold` (comma list of kinds), `hold_until` (DATE) and `in_dispute` say, as one text.

    A comma list of `kind` and `kind:2026-12-31`, "" for no hold; the date is the last day.
    """
    text = pd.Series("", index=kinds.index, dtype=frames.TEXT)
    some = (kinds != "") | in_dispute
    if not some.any():
        return text
    dated = until[some].dt.strftime(":%Y-%m-%d").fillna("")
    rows = zip(kinds[some], dated, in_dispute[some], strict=True)
    said = [_text_of(listed, ending, disputed=disputed) for listed, ending, disputed in rows]
    return text.mask(some, pd.Series(said, index=text.index[some], dtype=frames.TEXT))


def _text_of(listed: str, ending: str, *, disputed: bool) -> str:
    named = [f"{kind.strip()}{ending}" for kind in listed.split(",") if kind.strip()]
    return ",".join([*named, *([HoldReason.DISPUTE.value] if disputed else [])])


def of_loan(texts: pd.Series) -> pd.Series:
    """The same holds (`column_holds`) as what the loan's row says of its other parties."""
    return frames.per_value(texts, lambda text: ",".join(f"{OF_LOAN}{one}" for one in text.split(",") if one))


@dataclass(frozen=True, slots=True)
class ColumnHold:
    """One hold that a table names: its kind, its last day, None where the table names none, and whose it is."""

    kind: str
    until: date | None
    of_loan: bool


def parsed(text: str) -> list[ColumnHold]:
    """The holds of one text of `column_holds` or `of_loan`."""
    found = []
    for one in filter(None, text.split(",")):
        kind, _, until = one.removeprefix(OF_LOAN).partition(":")
        found.append(ColumnHold(kind, date.fromisoformat(until) if until else None, one.startswith(OF_LOAN)))
    return found


def counts(hold: ColumnHold, settings: HoldsSettings, day: date) -> bool:
    """Whether a hold that a table names counts on `day`; without a last day, as long as it stands there."""
    over = hold.until is not None and hold.until < day
    return not over or settings.rule(hold.kind).then is not Then.RESUMES


def _said(texts: pd.Series, settings: HoldsSettings, day: date) -> Mapping[str, Sequence[ColumnHold]]:
    """The holds that count of each distinct text."""
    return {
        text: [one for one in parsed(text) if counts(one, settings, day)] for text in texts.unique() if text
    }


def _by_column(
    notices: pd.DataFrame, said: Mapping[str, Sequence[ColumnHold]], kind: HoldReason, rule: HoldRule
) -> pd.Series:
    """Which notices' persons the tables hold for this kind; of the loan's holds, those that reach other parties."""
    everyone = rule.whom is Whom.EVERYONE
    texts = [
        text
        for text, holds in said.items()
        if any(one.kind == kind and (everyone or not one.of_loan) for one in holds)
    ]
    return among(notices["holds"], texts)


# Holds whose last day is over.


def overdue(notices: pd.DataFrame, holds: pd.DataFrame, settings: HoldsSettings, day: date) -> pd.DataFrame:
    """Holds (HOLDS and `loan_id`, `then`) of these notices' loans and people whose last day lies before `day`."""
    over = holds[holds["until"] < pd.Timestamp(day)]
    subjects = notices[["loan_id", "customer_id", "phone_hash"]].drop_duplicates()
    found = [frames.empty(OVERDUE)]
    for name in ("loan_id", "customer_id", "phone_hash"):
        those = over[over[name] != ""].drop(columns=[each for each in ("loan_id",) if each != name])
        mine = subjects[[*dict.fromkeys(("loan_id", name))]].drop_duplicates()
        found.append(those.merge(mine, on=name)[["loan_id", "kind", "until", "set_by", "set_on"]])
    rows = pd.concat(found, ignore_index=True).drop_duplicates(ignore_index=True)
    then = frames.per_value(rows["kind"], lambda kind: settings.rule(kind).then.value)
    return rows.assign(then=then).astype(dict(OVERDUE))[list(OVERDUE)]
