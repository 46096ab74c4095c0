"""Number health: which numbers are dead, somebody else's or landlines, by what is known of them. Pure."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.hold_codes import NumberStatus
from carloan_notify.notices.hold_settings import NumbersSettings

NUMBERS: Final[Mapping[str, str]] = {
    "phone_hash": frames.TEXT,
    "status": frames.TEXT,  # hold_codes.NumberStatus
    "status_on": frames.DATE,  # the day of which that was true
    "failures": frames.COUNT,  # days on which the network said that there is no such number, in a row
    "failed_on": frames.DATE,  # the last of them
}
DEAD: Final = (NumberStatus.INVALID.value, NumberStatus.QUARANTINED.value)


def known_as(
    notices: pd.DataFrame, numbers: pd.DataFrame, settings: NumbersSettings
) -> dict[NumberStatus, pd.Series]:
    """Which notices would go to a number known as REASSIGNED, QUARANTINED (dead, for whatever reason) or LANDLINE.

    `notices` has `phone_hash` and `phone_verified_on` (DATE): what was known before that day does not count any more.
    `numbers` is NUMBERS, each number once.
    """
    if numbers.empty:
        nobody = pd.Series(data=False, index=notices.index)
        return dict.fromkeys(
            (NumberStatus.REASSIGNED, NumberStatus.QUARANTINED, NumberStatus.LANDLINE), nobody
        )
    known = numbers.set_index("phone_hash")
    near = frames.among(notices["phone_hash"], numbers["phone_hash"])
    mine = notices.loc[near, ["phone_hash", "phone_verified_on"]]
    found = known.reindex(mine["phone_hash"]).set_index(mine.index)
    verified = mine["phone_verified_on"]
    counts = ~(verified > found["status_on"])
    failing = (found["failures"] >= settings.quarantine_after) & ~(verified > found["failed_on"])
    masks = {
        NumberStatus.REASSIGNED: counts & (found["status"] == NumberStatus.REASSIGNED.value),
        NumberStatus.QUARANTINED: failing | (counts & found["status"].isin(DEAD)),
        NumberStatus.LANDLINE: counts & (found["status"] == NumberStatus.LANDLINE.value),
    }
    return {
        status: mask.astype(bool).reindex(notices.index, fill_value=False) for status, mask in masks.items()
    }
