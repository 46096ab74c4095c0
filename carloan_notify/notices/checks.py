"""May this person be told this, on this channel? One mask per reason, without hours and counts."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.notices.membership import among
from carloan_notify.notices.reasons import Reason
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import MessageClass

_HOLDS: Final = {"dispute": Reason.IN_DISPUTE, "wrong_number": Reason.WRONG_NUMBER}
"""Suppressions with these reasons hold a notice; any other is an opt-out."""
_SUPPRESSIONS: Final = (Reason.OPTED_OUT, Reason.IN_DISPUTE, Reason.WRONG_NUMBER)


def refusals(notices: pd.DataFrame, policy: PolicySettings, suppressions: pd.DataFrame) -> pd.Series:
    """The first reason (text) not to tell each notice, "" where there is none.

    `notices` has `phone_hash` and a resolved `language`. A suppression (text columns phone_hash, customer_id,
    message_class, reason) without a class is for every class. It binds its number and its customer, but a
    wrong number binds the number alone where it has one.
    """
    is_collection = notices["message_class"] == MessageClass.COLLECTION.value
    kind = suppressions["reason"].map(_HOLDS).fillna(Reason.OPTED_OUT).astype("str")
    opted_out, disputed, numbers = (suppressions[kind == reason.value] for reason in _SUPPRESSIONS)
    numbers = numbers.assign(customer_id=numbers["customer_id"].mask(numbers["phone_hash"] != "", ""))
    needs_consent = notices["message_class"].isin([each.value for each in policy.consent_required])
    masks = {
        Reason.DO_NOT_CONTACT: notices["do_not_contact"],
        Reason.OPTED_OUT: _names(notices["opt_out"], notices["message_class"])
        | _suppressed(notices, opted_out),
        Reason.WRONG_NUMBER: _suppressed(notices, numbers),
        Reason.IN_DISPUTE: is_collection & (notices["in_dispute"] | _suppressed(notices, disputed)),
        Reason.NO_CONSENT: needs_consent & ~_names(notices["consent"], notices["message_class"]),
        Reason.NO_PHONE: notices["phone"] == "",
        Reason.CHANNEL_REFUSED: (notices["channels"] != "")
        & ~_names(notices["channels"], notices["channel"]),
        Reason.LANGUAGE_UNKNOWN: notices["language"] == "",
    }
    chosen = np.select([mask.to_numpy(bool) for mask in masks.values()], [code.value for code in masks], "")
    return pd.Series(chosen, index=notices.index, dtype="str")


def resolved_languages(wanted: pd.Series, known: Sequence[str], default: str) -> pd.Series:
    """One of `known` for each: the same, else one of the same primary tag, else the default's, else blank."""
    texts = {text: _resolve(text, known) or _resolve(default, known) for text in wanted.unique()}
    return wanted.map(texts).astype("str")


def _resolve(wanted: str, known: Sequence[str]) -> str:
    folded = wanted.casefold().replace("_", "-")
    exact = [language for language in known if language.casefold() == folded]
    primary = folded.split("-")[0]
    related = [language for language in sorted(known) if language.casefold().split("-")[0] == primary]
    return next(iter([*exact, *related]), "")


def _names(lists: pd.Series, items: pd.Series) -> pd.Series:
    """Whether each comma list names the item beside it."""
    mask = pd.Series(data=False, index=lists.index)
    for item in items.unique():
        naming = [text for text in lists.unique() if item in {part.strip() for part in text.split(",")}]
        mask |= (items == item) & among(lists, naming)
    return mask


def _suppressed(notices: pd.DataFrame, suppressions: pd.DataFrame) -> pd.Series:
    """Whether a suppression of the notice's class, or of every class, names its number or its customer."""
    mask = pd.Series(data=False, index=notices.index)
    for message_class in notices["message_class"].unique():
        binding = suppressions[suppressions["message_class"].isin([message_class, ""])]
        for subject in ("phone_hash", "customer_id"):
            named = binding.loc[binding[subject] != "", subject]
            mask |= (notices["message_class"] == message_class) & among(notices[subject], named)
    return mask
