"""What a reply may be about."""

from enum import StrEnum


class ReplyKind(StrEnum):
    """What a borrower wants, as far as rules can tell."""

    OPT_OUT = "opt_out"
    PAID_ALREADY = "paid_already"
    ASKS_FOR_TIME = "asks_for_time"
    ASKS_FOR_CALL = "asks_for_call"
    WRONG_PERSON = "wrong_person"
    DISPUTE = "dispute"
    HARDSHIP = "hardship"
    ABUSE = "abuse"
    OTHER = "other"
