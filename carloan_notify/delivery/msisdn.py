"""Numbers as networks write them, to E.164."""

from typing import Final

import phonenumbers

SHORTEST: Final = 9
"""Digits with the country code. Shorter ones are services: a bank's 95588 is no borrower."""


def e164(written: str, region: str) -> str | None:
    """A sender's number in E.164, None when it is none: a name, or a short code.

    `+` and `00` begin a number with its country code; without them it is dialled within `region` (ISO 3166).
    """
    international = "+" + written[2:] if written.startswith("00") else written
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return None
    found = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return found if phonenumbers.is_possible_number(number) and len(found) > SHORTEST else None
