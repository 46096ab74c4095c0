"""What deciding needs to know of a partition of loans."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class DecideInputs:
    """Frames as `frames` documents them; None where the lender has no such table.

    `dues` holds the unpaid installments due soon (DUES), `standing` one row per loan that could be computed
    (STANDING): a loan without one gets no due or past-due notice. `changes_told` has the text columns
    loan_id, change_id, type, before, after and the date effective_on.
    """

    loans: pd.DataFrame
    dues: pd.DataFrame
    standing: pd.DataFrame
    events: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    changes_told: pd.DataFrame | None = None
    contacts: pd.DataFrame | None = None
