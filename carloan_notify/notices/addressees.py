"""Whether a message that waits still has its person: the same number, no refusal, and an hour for contact."""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Look, Reason
from carloan_notify.frames import among
from carloan_notify.notices.holds import REASON_OF
from carloan_notify.notices.policy import OnRecord, refusals
from carloan_notify.notices.release import INSTANT, Tonight, releases
from carloan_notify.notices.settings import PolicySettings, Role

WAITING: Final[Mapping[str, str]] = {
    **dict.fromkeys(("message_id", "loan_id", "role", "phone_hash", "name"), frames.TEXT),
    **dict.fromkeys(("notice", "channel", "message_class", "window"), frames.TEXT),
    "days_past_due": frames.COUNT,
}
"""A waiting message, once for each loan it tells; `name` is whom it names, "" when that is not known, `window` its
rule's own hours, `days_past_due` those of what it tells."""
ADDRESSEES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("message_id", "loan_id", "look", "recipient_name", "timezone", "unfit"), frames.TEXT),
    "opens": INSTANT,
}
"""What the tables now say of its person: `look` is a codes.Look, "" when nothing speaks against it; `opens` is when
it is an hour for contact again, NaT when that is not known or is now; `unfit` is that of `people`."""
_WHOM: Final = ["loan_id", "role", "phone_hash"]
_NAMED: Final = ["loan_id", "role", "name"]


def addressees(
    waiting: pd.DataFrame, people: pd.DataFrame, policy: PolicySettings, moment: Tonight, record: OnRecord
) -> pd.DataFrame:
    """ADDRESSEES of `waiting` (WAITING), row by row.

    `people` are RECIPIENTS with text columns `phone_hash`, `customer_id` and `unfit` (fits.unfit_rules); holds count
    on `moment.as_of`, the lender's own date. A borrower is one per loan: without the number, the number changed.
    Another party is known by number, else by name: the same name with another number has changed it, neither is gone.
    What is put on record cancels at once what waits for it; it is asked once more here, because tables and options may
    have changed.
    """
    rows = waiting.reset_index(drop=True)
    known = people.drop_duplicates(_WHOM)
    found = rows.drop(columns="name").reset_index(names="place").merge(known, on=_WHOM).set_index("place")
    there, opens = _reached(found, policy, moment, record)
    return pd.DataFrame(
        {
            "message_id": rows["message_id"],
            "loan_id": rows["loan_id"],
            "look": _lost(rows, people).mask(rows.index.isin(found.index), there.reindex(rows.index)),
            "recipient_name": found["recipient_name"].reindex(rows.index, fill_value=""),
            "timezone": found["timezone"].reindex(rows.index, fill_value=""),
            "unfit": found["unfit"].reindex(rows.index, fill_value=""),
            "opens": opens.reindex(rows.index),
        }
    ).astype(dict(ADDRESSEES))


def _lost(rows: pd.DataFrame, people: pd.DataFrame) -> pd.Series:
    """What to say of each row as if nobody had its number any more."""
    named = people.rename(columns={"recipient_name": "name"})[_NAMED].drop_duplicates()
    here = rows[_NAMED].merge(named[named["name"] != ""], on=_NAMED, how="left", indicator=True)["_merge"]
    moved = (rows["role"] == Role.BORROWER.value) | (here == "both").set_axis(rows.index)
    codes = np.where(moved, Look.NUMBER_CHANGED.value, Look.PERSON_GONE.value)
    return pd.Series(codes, index=rows.index, dtype=frames.TEXT)


def _reached(
    found: pd.DataFrame, policy: PolicySettings, moment: Tonight, record: OnRecord
) -> tuple[pd.Series, pd.Series]:
    """What speaks against each person that is there, and from when on its hours speak for it."""
    # Its language had templates when it was queued, and its words are in it.
    refused = refusals(found.assign(language="-"), policy, record, moment.as_of)
    # Some zone is a day behind this date, and none is more than a day ahead of it: the first span is of today.
    now = moment.now
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    hours = releases(found.assign(catch_up_days=2), policy, Tonight(now, yesterday))
    early = (hours["reason"] != "") | (hours["not_before"] > pd.Timestamp(now))
    masks = {
        Look.IN_DISPUTE: refused == Reason.IN_DISPUTE.value,
        Look.ON_HOLD: among(refused, [reason.value for reason in REASON_OF.values()]),
        Look.REFUSED: refused != "",
        Look.OUT_OF_HOURS: early,
    }
    codes = np.select([mask.to_numpy(bool) for mask in masks.values()], [code.value for code in masks], "")
    look = pd.Series(codes, index=found.index, dtype=frames.TEXT)
    return look, hours["not_before"].where(early)
