"""What guards measure against the last finished night's portfolio: which loans changed, and by what reason. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.fingerprints import ACTIVE, MOST_MINOR, SETTLED, Pairs, day_number
from carloan_notify.notices.measures import MEASURES, Share, Tables

SAME_WITHIN: Final = 2
"""An amount twice as large, or half, is another amount; a penalty or a part payment changes it less."""
ABSURD: Final = 20
"""One loan whose installment is this many times what it was is enough."""
NEXT_DUE_FROM: Final = 23
"""A due date this many days later is the next installment's."""
RECENT: Final = 10
ENOUGH_ASKED: Final = 10
"""With fewer loans one may carry the whole total."""
_NOBODY: Final = pd.Series([], dtype=frames.TEXT)


def loans_vanished(pairs: Pairs, _: Tables) -> Share:
    """Active loans of the last night that tonight's table does not name."""
    gone = int((pairs.vanished["status"] == ACTIVE).sum())
    return Share(gone, gone + int((pairs.before["status"] == ACTIVE).sum()))


def arrears_dropped(pairs: Pairs, _: Tables) -> Share:
    """Overdue loans of the last night that tonight's table does not name: a group of its own."""
    gone, here = (
        int(((rows["status"] == ACTIVE) & (rows["past_due"] > 0)).sum())
        for rows in (pairs.vanished, pairs.before)
    )
    return Share(gone, gone + here)


def loans_new(pairs: Pairs, _: Tables) -> Share:
    """Active loans of tonight that the last night did not know."""
    new = int((pairs.fresh["status"] == ACTIVE).sum())
    return Share(new, new + int((pairs.after["status"] == ACTIVE).sum()))


def phones_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose number is another."""
    both = (pairs.before["phone"] > 0) & (pairs.after["phone"] > 0)
    return Share(int((pairs.before["phone"] != pairs.after["phone"])[both].sum()), int(both.sum()))


def products_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose product is another."""
    return Share(int((pairs.before["product"] != pairs.after["product"]).sum()), len(pairs.before))


def statuses_changed(pairs: Pairs, tables: Tables) -> Share:
    """Loans that were settled, cancelled or charged off and run again, or ended without a payment.

    Where payments are read, a loan that settled with one is right.
    """
    old, new = pairs.before["status"], pairs.after["status"]
    ended = (old == ACTIVE) & (new != ACTIVE)
    revived = (old >= SETTLED) & (new == ACTIVE)
    if tables.payments is not None:
        ended &= ~((new == SETTLED) & pairs.paid)
    return Share(int((ended | revived).sum()), len(old))


def due_dates_moved(pairs: Pairs, tables: Tables) -> Share:
    """Active loans whose next due date moved, without a change row, and not to the next installment."""
    before, after = pairs.before, pairs.after
    judged = (before["status"] == ACTIVE) & (after["status"] == ACTIVE) & (after["due"] > 0)
    judged &= (before["due"] >= day_number(pairs.until)) & ~pairs.changed
    later = after["due"].astype(np.int64) - before["due"].astype(np.int64)
    original = after["original"].astype(np.int64) - before["original"].astype(np.int64)
    same = (later == 0) | (original == 0) | (np.minimum(later, original) >= NEXT_DUE_FROM)
    if tables.payments is not None:
        same &= (later == 0) | (original == 0) | pairs.paid
    return Share(int((judged & ~same).sum()), int(judged.sum()))


def amounts_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose principal, or what is asked for the same due date, is twice or half what it was, or more."""
    active = (pairs.before["status"] == ACTIVE) & (pairs.after["status"] == ACTIVE)
    due = _scaled(pairs, "due_minor", SAME_WITHIN) & (pairs.before["original"] == pairs.after["original"])
    due &= ~(pairs.changed | pairs.paid)
    return Share(int((active & (due | _scaled(pairs, "principal", SAME_WITHIN))).sum()), int(active.sum()))


def amounts_absurd(pairs: Pairs, _: Tables) -> Share:
    """Loans asked for twenty times what was asked the night before for the same or the next due date."""
    grown = pairs.after["due_minor"] > ABSURD * pairs.before["due_minor"].astype(np.int64)
    known = (pairs.before["due_minor"] > 0) & (pairs.before["status"] == ACTIVE)
    # The rest of a half-paid installment is small; what follows it is whole again.
    known &= pairs.before["original"] == pairs.after["original"]
    return Share(int((grown & known).sum()), int(known.sum()))


def asked_otherwise(pairs: Pairs, _: Tables) -> Share:
    """Minor units by which the total asked for the same due dates differs from what the last night promised."""
    before, after = pairs.before, pairs.after
    judged = (before["status"] == ACTIVE) & (after["status"] == ACTIVE) & (before["due"] == after["due"])
    judged &= (
        (before["due"] >= day_number(pairs.until)) & (before["due_minor"] > 0) & (after["due_minor"] > 0)
    )
    judged &= ~(pairs.changed | pairs.paid)
    old, new = (int(rows["due_minor"][judged].astype(np.int64).sum()) for rows in (before, after))
    return Share(abs(new - old) if judged.sum() >= ENOUGH_ASKED else 0, old)


def _scaled(pairs: Pairs, name: str, times: int) -> np.ndarray:
    old, new = (rows[name].astype(np.int64) for rows in (pairs.before, pairs.after))
    known = (old > 0) & (new > 0) & (np.maximum(old, new) < MOST_MINOR)
    far: np.ndarray = known & ((new >= times * old) | (old >= times * new))
    return far


def reasoned(pairs: Pairs, tables: Tables) -> Pairs:
    """The pairs, and which of their loans have a change row or a payment since shortly before the last night."""
    since = pd.Timestamp(pairs.since - timedelta(days=RECENT))
    changed = _NOBODY if tables.changes is None else tables.changes["loan_id"]
    paid = (
        _NOBODY
        if tables.payments is None
        else tables.payments.loc[tables.payments["paid_on"] >= since, "loan_id"]
    )
    return replace(pairs, changed=_named(pairs, tables, changed), paid=_named(pairs, tables, paid))


def _named(pairs: Pairs, tables: Tables, loan_ids: pd.Series) -> np.ndarray:
    mask: np.ndarray = frames.among(tables.loans["loan_id"], loan_ids.unique()).to_numpy()[pairs.place]
    return mask


def dues_unpaid(pairs: Pairs, _: Tables) -> Share:
    """Of the installments that fell due since the last night, those that are still unpaid."""
    fell = _fell_due(pairs)
    running = fell & (pairs.after["status"] == ACTIVE)
    return Share(int((running & (pairs.after["past_due"] > 0)).sum()), int(fell.sum()))


def newly_overdue(pairs: Pairs, _: Tables) -> Share:
    """Active loans that are overdue tonight although nothing of them fell due since the last night."""
    running = (pairs.after["status"] == ACTIVE) & (pairs.after["past_due"] > 0)
    sudden = running & (pairs.before["past_due"] == 0) & ~_fell_due(pairs)
    sudden &= pairs.before["status"] == ACTIVE
    fresh = int(((pairs.fresh["status"] == ACTIVE) & (pairs.fresh["past_due"] > 0)).sum())
    active = int((pairs.after["status"] == ACTIVE).sum()) + int((pairs.fresh["status"] == ACTIVE).sum())
    return Share(int(sudden.sum()) + fresh, active)


def no_longer_overdue(pairs: Pairs, tables: Tables) -> Share:
    """Overdue loans of the last night that owe nothing tonight although no payment of them came in."""
    late = (pairs.before["status"] == ACTIVE) & (pairs.before["past_due"] > 0)
    healed = late & (pairs.after["past_due"] == 0)
    if tables.payments is None:
        return Share(0, int(late.sum()))
    excused = pairs.paid | pairs.changed
    return Share(int((healed & ~excused).sum()), int(late.sum()))


def _fell_due(pairs: Pairs) -> np.ndarray:
    due = pairs.before["due"]
    fell: np.ndarray = (pairs.before["status"] == ACTIVE) & (due > 0)
    fell &= (due >= day_number(pairs.since)) & (due < day_number(pairs.until))
    return fell


DRIFTS: Final[Mapping[str, Callable[[Pairs, Tables], Share]]] = {
    "loans_vanished": loans_vanished,
    "arrears_dropped": arrears_dropped,
    "loans_new": loans_new,
    "phones_changed": phones_changed,
    "products_changed": products_changed,
    "statuses_changed": statuses_changed,
    "due_moves": due_dates_moved,
    "amounts_changed": amounts_changed,
    "amounts_absurd": amounts_absurd,
    "asked_otherwise": asked_otherwise,
    "dues_unpaid": dues_unpaid,
    "newly_overdue": newly_overdue,
    "no_longer_overdue": no_longer_overdue,
}


def measure(tables: Tables, pairs: Pairs | None) -> dict[str, Share]:
    """Every measure by name; those against the last night only where one is known."""
    alone = {name: function(tables) for name, function in MEASURES.items()}
    if pairs is None:
        return alone
    pairs = reasoned(pairs, tables)
    return alone | {name: function(pairs, tables) for name, function in DRIFTS.items()}
