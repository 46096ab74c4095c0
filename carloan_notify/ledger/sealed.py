"""Message rows opened: the one place where sealed columns become text."""

import json
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import Channel, OutboundMessage

OUTBOUND: Final = tuple(
    MESSAGES.c[name]
    for name in (
        "message_id",
        "channel",
        "notice",
        "language",
        "attempts",
        "phone_sealed",
        "text_sealed",
        "params_sealed",
    )
)


def outbound(cipher: Cipher, row: sa.RowMapping) -> OutboundMessage:
    """What a provider gets, from a row with the columns `OUTBOUND`."""
    mid = row["message_id"]
    return OutboundMessage(
        message_id=mid,
        channel=Channel(row["channel"]),
        notice=row["notice"],
        language=row["language"],
        phone=cipher.open(mid, "phone", row["phone_sealed"]),
        text=cipher.open(mid, "text", row["text_sealed"]),
        params=json.loads(cipher.open(mid, "params", row["params_sealed"]) or "{}"),
        attempts=row["attempts"],
    )
