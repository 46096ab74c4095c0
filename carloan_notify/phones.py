"""A phone number as a spreadsheet left it → E.164, or a code that says what is wrong with it. Pure.

The meaning of the codes follows GOV.UK Notify's public recipient validation, made independent of the home
country: damage that spreadsheets do is mended (lost +, stray zeros, "(0)"), nothing is ever guessed across
countries unless the caller allows foreign numbers.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, ValidationResult

NUMBER_TOO_LONG: Final = "too_long"
NUMBER_TOO_SHORT: Final = "too_short"
NUMBER_INVALID: Final = "invalid_number"
UNKNOWN_CHARACTER: Final = "unknown_character"
UNSUPPORTED_COUNTRY: Final = "unsupported_country_code"

FICTITIOUS_PREFIXES: Final[dict[str, int]] = {"+86100": 14, "+120255501": 12, "+447700900": 13}
"""E.164 prefixes that reach nobody, with the full length of their numbers, for samples, rehearsals and tests.

+86 100: no operator holds it (Chinese mobiles begin 13 to 19); +1 202 555 01xx: reserved for fiction by the
North American numbering plan; +44 7700 900xxx: Ofcom's range for drama.
"""
FICTITIOUS: Final = "|".join(
    rf"\+{prefix[1:]}\d{{{size - len(prefix)}}}" for prefix, size in FICTITIOUS_PREFIXES.items()
)
"""The pattern of such a number in E.164."""
_DRAMA_PREFIX: Final = "+447700900"  # always accepted, as GOV.UK Notify does: safe as a test recipient

_LANDLINES: Final = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.UAN})
# FIXED_LINE_OR_MOBILE: in the North American plan both share their area codes, so nobody can tell them apart.
_REACHABLE: Final = _LANDLINES | {
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.PERSONAL_NUMBER,
}
_LENGTH_CODES: Final = {
    ValidationResult.TOO_LONG: NUMBER_TOO_LONG,
    ValidationResult.TOO_SHORT: NUMBER_TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: NUMBER_TOO_SHORT,
    ValidationResult.INVALID_COUNTRY_CODE: UNSUPPORTED_COUNTRY,
}
_ALLOWED: Final = re.compile(r"[\d\s()+\-]*", re.ASCII)
_DOUBLE_ZERO: Final = re.compile(r"^00(?=[\s()\-]*[1-9])")
_FLOAT_TAIL: Final = re.compile(r"(\+?\d{7,})\.0*")


@dataclass(frozen=True, slots=True)
class PhoneResult:
    """Either `e164` or `error`; the other one is empty."""

    e164: str = ""
    error: str = ""


def not_home_mobile(region: str) -> str:
    """The code for a number that is not a mobile of the home region: `not_a_cn_mobile`, `not_a_uk_mobile`."""
    return f"not_a_{'uk' if region == 'GB' else region.lower()}_mobile"


@lru_cache(maxsize=65_536)
def normalise_phone(
    text: str, *, region: str, allow_international: bool, allow_landline: bool, allow_fictitious: bool = False
) -> PhoneResult:
    """E.164 of a number typed in `region` (ISO 3166, two letters).

    Error codes: too_long, too_short, invalid_number, unknown_character, unsupported_country_code, and
    not_a_<region>_mobile for a foreign number or a landline (of whatever country) the caller does not allow.
    `00` begins a number with its country code, as `+` does, unless it makes no number that way.
    `allow_fictitious` also accepts `FICTITIOUS_PREFIXES`.
    """
    typed = _tidy(text)
    fictitious = _fictitious(typed, region) if allow_fictitious else ""
    if fictitious:
        return PhoneResult(e164=fictitious)
    number = _parsed(_DOUBLE_ZERO.sub("+", typed), region)
    if isinstance(number, str) and typed.startswith("00"):
        number = _parsed(typed, region)
    if isinstance(number, str):
        number = _parsed(typed.replace("+", "").lstrip("0"), region)
    if isinstance(number, str):
        return PhoneResult(error=number)
    error = _refused(number, region, allow_international=allow_international, allow_landline=allow_landline)
    return PhoneResult(error=error) if error else PhoneResult(e164=_e164(number))


def _tidy(text: str) -> str:
    """Full-width digits and every dash as ASCII; invisible characters and a spreadsheet's apostrophe gone."""
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(character for character in plain if unicodedata.category(character) not in {"Cf", "Cc"})
    dashed = "".join("-" if unicodedata.category(c) == "Pd" or c == "−" else c for c in seen)
    bare = dashed.strip().lstrip("'‘’`").strip()
    whole = _FLOAT_TAIL.fullmatch(bare)
    return whole[1] if whole else bare


def _parsed(typed: str, region: str) -> PhoneNumber | str:
    if not _ALLOWED.fullmatch(typed):
        return UNKNOWN_CHARACTER
    if not typed:
        return NUMBER_TOO_SHORT
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return NUMBER_INVALID
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        mended = _with_lost_plus(typed)
        if mended is None:
            return _LENGTH_CODES.get(reason, NUMBER_INVALID)
        number = mended
    reachable = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in _REACHABLE
    return number if reachable or _is_drama(number) else NUMBER_INVALID


def _with_lost_plus(typed: str) -> PhoneNumber | None:
    """A number that makes no sense at home may be a foreign one whose + a spreadsheet ate."""
    try:
        number = phonenumbers.parse(f"+{typed}")
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def _refused(number: PhoneNumber, region: str, *, allow_international: bool, allow_landline: bool) -> str:
    foreign = number.country_code != phonenumbers.country_code_for_region(region)
    if foreign and not allow_international:
        return not_home_mobile(region)
    landline = phonenumbers.number_type(number) in _LANDLINES
    return not_home_mobile(region) if landline and not allow_landline else ""


def _fictitious(typed: str, region: str) -> str:
    digits = re.sub(r"\D", "", typed)
    code = str(phonenumbers.country_code_for_region(region))
    in_full = f"+{digits.removeprefix('00')}" if typed.startswith(("+", "00", code)) else ""
    candidates = (in_full, f"+{code}{digits.lstrip('0')}")
    return next((number for number in candidates if _in_fictitious_range(number)), "")


def _in_fictitious_range(e164: str) -> bool:
    return any(e164.startswith(prefix) and len(e164) == size for prefix, size in FICTITIOUS_PREFIXES.items())


def _is_drama(number: PhoneNumber) -> bool:
    e164 = _e164(number)
    return e164.startswith(_DRAMA_PREFIX) and len(e164) == FICTITIOUS_PREFIXES[_DRAMA_PREFIX]


def _e164(number: PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def written_in_full(text: str, region: str) -> tuple[bool, bool]:
    """Whether a number begins with its country code (after +, 00 or the region's own); or with the trunk prefix.

    Without its area code a landline of `region` cannot be told from a mobile that lost a digit; in a plan without
    a trunk prefix (0 in most countries) every number is whole.
    """
    typed = _tidy(text).lstrip("( ")
    trunk, dials_abroad = _prefixes(region)
    digits = re.sub(r"\D", "", typed)
    abroad = typed.startswith("0") and dials_abroad.match(digits) is not None
    in_full = typed.startswith("+") or abroad or _DOUBLE_ZERO.match(typed) is not None
    return in_full, in_full or typed.startswith(trunk)


@cache
def _prefixes(region: str) -> tuple[str, re.Pattern[str]]:
    """A region's trunk prefix, and the one with which it dials abroad (00, 011, 0011)."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    trunk = (metadata and metadata.national_prefix) or ""
    return trunk, re.compile((metadata and metadata.international_prefix) or "00")


# Where a number in E.164 is, and whether it takes text messages.


@lru_cache(maxsize=65_536)
def is_landline(e164: str) -> bool:
    """Whether a text message cannot arrive there: a landline or a company's number, in whatever country."""
    mobile = mobile_pattern(calling_code(e164))
    if mobile is not None and mobile.fullmatch(e164):
        return False  # nearly every number of a night, for a hundredth of the time
    number = _of_e164(e164)
    return number is not None and phonenumbers.number_type(number) in _LANDLINES


@lru_cache(maxsize=65_536)
def country_of(e164: str) -> str:
    """ISO 3166 country of a number, "" when it has none (satellite networks) or is no number."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code(e164) or 0), ())
    if len(regions) > 1:
        number = _of_e164(e164)
        found = phonenumbers.region_code_for_number(number) if number is not None else None
        regions = (found or regions[0],)
    return next((region for region in regions if region != _NO_COUNTRY), "")


def known_country(region: str) -> bool:
    """Whether the world's numbering plans have a country of this ISO 3166 code."""
    return region in phonenumbers.SUPPORTED_REGIONS


def example_mobile(region: str) -> str:
    """A mobile number of a country that nobody has, in E.164."""
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) if number else ""


_NO_COUNTRY: Final = "001"
CODE_HEAD: Final = 4
"""A plus sign and the longest country calling code."""


def calling_code(e164: str) -> str:
    """The country calling code (ITU-T E.164, 1 to 3 digits) of a number; no code begins another. "" for none."""
    codes = (e164[1 : 1 + size] for size in range(1, CODE_HEAD))
    known = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return next((code for code in codes if code.isdecimal() and int(code) in known), "")


def one_country(code: str) -> str:
    """The country of a calling code that has one alone; "" for none, and where several share it."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code or 0), ())
    return regions[0] if len(regions) == 1 and regions[0] != _NO_COUNTRY else ""


@cache
def mobile_pattern(code: str) -> re.Pattern[str] | None:
    """What mobile numbers of a country calling code look like in E.164; None where nobody knows."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(
        phonenumbers.region_code_for_country_code(int(code or 0))
    )
    mobile = metadata and metadata.mobile and metadata.mobile.national_number_pattern
    return re.compile(rf"\+{code}(?:{mobile})") if mobile else None


def _of_e164(e164: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return None


# Numbers as networks write them, to E.164.

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
