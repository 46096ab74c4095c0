"""Numbers that a person or a provider wrote."""

from carloan_notify.pipeline.build import House
from carloan_notify.sources.phones import PhoneResult, normalise_phone


def any_number(house: House, written: str) -> PhoneResult:
    """A number of whatever country and kind; the lender's country where it carries none."""
    return normalise_phone(
        written,
        region=house.lender.country,
        allow_international=True,
        allow_landline=True,
        allow_fictitious=True,
    )
