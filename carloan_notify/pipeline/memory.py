"""What the ledger remembers that a plan must know; a plan without a ledger remembers nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.restored import Gap
from carloan_notify.pipeline.build import House
from carloan_notify.records import NightFacts

HISTORY_NIGHTS = 120  # several same-weekday nights and a month's cost, also where nights were run twice
SUPPRESSION_COLUMNS = ("phone_hash", "customer_ref", "message_class", "reason")
RECENT_COLUMNS = ("phone_hash", "customer_ref", "message_class", "channel", "sent_on")


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told, and to whom.

    `known_keys` tells which keys were told. `recent` (RECENT_COLUMNS) and `suppressions` (SUPPRESSION_COLUMNS)
    hold keyed hashes only; `history` is oldest first. `gap` is a time of which it knows nothing.
    """

    known_keys: Callable[[Sequence[str]], set[str]]
    phone_hash: Callable[[str], str]
    customer_ref: Callable[[str], str]
    suppressions: pd.DataFrame
    recent: pd.DataFrame
    history: tuple[NightFacts, ...]
    gap: Gap | None = None


def remember(house: House, ledger: Ledger) -> Memory:
    """What `ledger` knows that matters for a night."""
    longest = max((cap.days for cap in house.settings.policy.caps), default=0)
    recent = ledger.recent_contacts(house.clock() - timedelta(days=longest + 1))
    local = recent["contact_at"].dt.tz_convert(ZoneInfo(house.lender.timezone)).dt.tz_localize(None)
    return Memory(
        known_keys=ledger.known_keys,
        phone_hash=ledger.phone_hash,
        customer_ref=ledger.customer_ref,
        suppressions=ledger.suppressions()[list(SUPPRESSION_COLUMNS)],
        recent=recent.assign(sent_on=local.dt.normalize().astype("datetime64[s]"))[list(RECENT_COLUMNS)],
        history=tuple(reversed(ledger.night_history(HISTORY_NIGHTS))),
        gap=ledger.upkeep.gap(),
    )


def blank_memory() -> Memory:
    """Nothing was ever told: before the first night, for `preview`."""
    return Memory(
        known_keys=lambda _: set(),
        phone_hash=lambda phone: phone,
        customer_ref=lambda customer_id: customer_id,
        suppressions=pd.DataFrame({name: pd.Series([], dtype="str") for name in SUPPRESSION_COLUMNS}),
        recent=pd.DataFrame({name: pd.Series([], dtype="str") for name in RECENT_COLUMNS}).astype(
            {"sent_on": "datetime64[s]"}
        ),
        history=(),
    )


def recall(house: House) -> Memory:
    """What the ledger knows, or nothing where there is none yet; writes nothing."""
    if not house.has_ledger():
        return blank_memory()
    with house.open_ledger() as ledger:
        return remember(house, ledger)
