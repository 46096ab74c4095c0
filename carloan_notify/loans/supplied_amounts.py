"""Installments whose totals the lender sets itself: seasonal and step schedules.

The loans table may carry a text column `installment_amounts`, e.g. `1=800.00; 7=1200.00; 13=`: from
installment 1 on 800.00 each, from 7 on 1200.00 each, from 13 on computed again. The last installment takes
what is left.
"""

import re
from decimal import Decimal

import numpy as np
import pandas as pd

from carloan_notify.frames import FINDINGS, empty, findings
from carloan_notify.loans.grid import Ints
from carloan_notify.loans.settings import ScheduleSettings

COLUMN = "installment_amounts"
STEP = re.compile(r"\s*(\d{1,4})\s*=\s*(\d{1,13}(?:\.\d{1,4})?)?\s*")


def supplied_amounts(loans: pd.DataFrame, rows: int, settings: ScheduleSettings) -> tuple[Ints, pd.DataFrame]:
    """Supplied totals in minor units, `rows` rows, −1 where there is none.

    Also FINDINGS `installment_amounts_invalid` for loans whose text cannot be read.
    """
    if COLUMN not in loans:
        return np.broadcast_to(np.int64(-1), (rows, len(loans))), empty(FINDINGS)
    codes, texts = pd.factorize(loans[COLUMN])
    read = [_steps(str(text), rows, settings) for text in texts]
    unread = np.array([column is None for column in read])[codes]
    columns = np.stack([np.full(rows, -1) if column is None else column for column in read], axis=1)
    problem = findings(
        "installment_amounts_invalid",
        loans["loan_id"][unread],
        "write from-installment=amount, ascending, e.g. 1=800.00; 7=1200.00",
        place=COLUMN,
        value=list(loans[COLUMN][unread].astype(str)),
    )
    return columns[:, codes], problem


def _steps(text: str, rows: int, settings: ScheduleSettings) -> Ints | None:
    """One column of totals, or None where the text is not of the form."""
    amounts = np.full(rows, -1, dtype=np.int64)
    last = 0
    for part in filter(str.strip, text.split(";")):
        step = STEP.fullmatch(part)
        if step is None or int(step[1]) <= last:
            return None
        last = int(step[1])
        try:
            amounts[last - 1 :] = settings.minor(Decimal(step[2])) if step[2] else -1
        except ValueError:
            return None
    return amounts
