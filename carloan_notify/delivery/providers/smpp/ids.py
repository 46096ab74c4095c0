"""One spelling for a message's id, whichever way the SMSC writes it."""

from collections.abc import Mapping
from typing import Final, Literal

ReceiptIds = Literal["same", "hex_in_answer", "decimal_in_answer"]

_BASES: Final[Mapping[ReceiptIds, tuple[int, int] | None]] = {
    # base in the answer and in message_id parameters, base in the text of receipts
    "same": None,
    "hex_in_answer": (16, 10),
    "decimal_in_answer": (10, 16),
}


def of_answer(reference: str, ids: ReceiptIds) -> str:
    """An id from a submit_sm_resp, or from the parameter receipted_message_id, which repeats that."""
    bases = _BASES[ids]
    return _decimal(reference, bases[0]) if bases else reference


def of_receipt(reference: str, ids: ReceiptIds) -> str:
    """An id from a receipt's text."""
    bases = _BASES[ids]
    return _decimal(reference, bases[1]) if bases else reference


def _decimal(reference: str, base: int) -> str:
    """What is no number of that base stays as it is."""
    try:
        return str(int(reference, base))
    except ValueError:
        return reference
