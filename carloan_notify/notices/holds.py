"""Holds: why messages about a loan or to a person wait, until when, and which of them. Pure and vectorised."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import HoldReason, Reason
from carloan_notify.frames import among
from carloan_notify.notices.hold_settings import HoldRule, HoldsSettings, Then, Whom

HOLDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("loan_id", "customer_id", "phone_hash", "message_class", "kind"), frames.TEXT),
    "until": frames.DATE,
    **dict.fromkeys(("set_by", "set_on"), frames.TEXT),
}
"""Holds that somebody set. Each binds what has its loan, its customer or its number ("" names none), of its
`message_class` ("" for all that its `kind`, a codes.HoldReason, keeps back). `until` is the last day on which it
holds, NaT where it has no end; `set_by` and `set_on` (ISO date) say who set it, and when."""

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

_BY_LOAN: Final = ("loan_id", "customer_id")
"""Subjects under which a hold binds only those parties of the loan that its rule names."""


def held(
    notices: pd.DataFrame, holds: pd.DataFrame, settings: HoldsSettings, day: date
) -> dict[Reason, pd.Series]:
    """Which notices wait for a hold of each kind on `day`, a mask per reason in the order of REASON_OF.

    `notices` has loan_id, customer_id, phone_hash, notice, channel, role and message_class; `holds` is HOLDS.
    """
    standing = holds[stands(holds, settings, day)]
    return {
        reason: _reached(notices, settings.rule(kind), settings)
        & _named(notices, standing[standing["kind"] == kind.value], settings.rule(kind))
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
