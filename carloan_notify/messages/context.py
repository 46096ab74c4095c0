"""What a template may say: the names it can use and their meaning. `templates lint` knows no others."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lender_name": "the lender's full name",
        "sign": "the lender's sign without brackets; a text message begins with it by itself, a voice "
        "message says it",
        "hotline": "the lender's telephone number for questions",
        "reply_hint": "sentence that tells how to answer a text message; may be empty",
        "borrower_name": "the borrower's name; only for the borrower's own messages; may be empty",
        "contract_tail": "last four characters of the contract number",
        "account_tail": "last digits of the account the installment is debited from; may be empty",
        "product": "the loan product, as the lender names it; may be empty",
        "plate_tail": "last characters of the number plate; may be empty",
        "installment_no": "number of the installment, from 1; 0 when there is none",
        "installments": "how many installments the loan has; 0 when unknown",
        "due_on": "due date of the installment; nothing when there is none",
        "due_day": "day of the month on which installments fall due; 0 when unknown",
        "days_to_due": "days until the due date, 0 on the day itself",
        "amount": "money the message asks for or reports; of all its loans when loan_count is above 1",
        "overdue_amount": "money overdue on this loan, without penalty interest",
        "penalty": "penalty interest so far on this loan; counts as false when zero",
        "total_due": "overdue_amount and penalty together",
        "days_past_due": "days since the oldest unpaid due date, 0 when nothing is overdue",
        "occurred_on": "day of the event that is told; nothing for a reminder",
        "event_detail": "what the lender's event table says in its detail column; may be empty",
        "old_value": "the value before a change (due_day_changed: the old day of the month); may be empty",
        "new_value": "the value after a change (due_day_changed: the new day of the month)",
        "effective_on": "day from which a change holds; nothing when unknown",
        "pay_link": "signed link to the payment page; empty when none is configured",
        "certificate_link": "signed link to the settlement certificate; empty when none is configured",
        "loan_count": "how many loans this one message tells; 1 unless several were merged",
        "as_of": "business date of the night",
        "role": "borrower, or another party's role (co_borrower, guarantor) who must not learn more "
        "than needed",
        "extra": "the lender's own columns, as extra.column_name",
    }
)
FILTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "money": "an amount with its currency: 1,234.56元, $1,234.56; without separators in a voice message",
        "date": "a date as people say it: 11月30日, 30 November 2026",
        "long_date": "a date with its year: 2026年11月30日, 30 November 2026",
        "mask": "hides all but the last four characters: ****8000",
        "spelled": "digits one by one, slowly, for a voice message: 四零零，八八八 or 4 0 0, 8 8 8",
        "default": "another text where the value is empty or missing: extra.branch | default('-')",
        "length": "number of characters",
        "upper": "in capitals",
        "lower": "in small letters",
        "trim": "without blanks at both ends",
    }
)
