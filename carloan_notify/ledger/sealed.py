"""Message rows opened: the one place where sealed columns become text."""

import json
from collections.abc import Sequence
from typing import Any, Final

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


_CHANNELS: Final = {channel.value: channel for channel in Channel}
_DECODER: Final = json.JSONDecoder()


def outbound(cipher: Cipher, columns: Sequence[Any]) -> OutboundMessage:
    """What a provider gets, from the values of `OUTBOUND` in order."""
    mid, channel, notice, language, attempts, phone, text, params = columns
    return OutboundMessage(
        mid,
        _CHANNELS[channel],
        notice,
        language,
        cipher.open(mid, "phone", phone),
        cipher.open(mid, "text", text),
        _DECODER.raw_decode(cipher.open(mid, "params", params) or "{}")[0],
        attempts,
    )
