"""A column of phone numbers → E.164, quickly where the numbers are plain."""

from typing import Final

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.sources.amounts import is_scientific
from carloan_notify.sources.phones import (
    NUMBER_INVALID,
    NUMBER_TOO_LONG,
    NUMBER_TOO_SHORT,
    UNKNOWN_CHARACTER,
    UNSUPPORTED_COUNTRY,
    normalise_phone,
)
from carloan_notify.sources.problems import Problem

_PROBLEMS: Final = {
    NUMBER_INVALID: Problem.PHONE_INVALID,
    NUMBER_TOO_LONG: Problem.PHONE_TOO_LONG,
    NUMBER_TOO_SHORT: Problem.PHONE_TOO_SHORT,
    UNKNOWN_CHARACTER: Problem.PHONE_UNKNOWN_CHARACTER,
    UNSUPPORTED_COUNTRY: Problem.PHONE_UNSUPPORTED_COUNTRY,
}
# Where a mobile number without its country code can be taken for nothing else (no national prefix to strip).
_UNMISTAKABLE_REGIONS: Final = frozenset({"CN", "US"})


def phone_cells(
    cells: pa.Array, region: str, *, fictitious: bool
) -> tuple[pa.Array, dict[Problem, np.ndarray]]:
    """E.164 per cell ("" for blank and bad cells) and a mask per problem.

    A foreign number counts only when it is written in full with its +; landlines never do.
    """
    quick = _quick(cells, region)
    others = np.flatnonzero(np.asarray(pc.equal(quick, "").to_numpy(zero_copy_only=False), dtype=bool))
    if not len(others):
        return quick, {}
    coded = cells.take(pa.array(others)).dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False)
    parsed = [_one(text, region, fictitious=fictitious) for text in coded.dictionary.to_pylist()]
    numbers = np.array(["" if isinstance(found, Problem) else found for found in parsed], dtype=object)[
        places
    ]
    wide = np.zeros(len(cells), dtype=bool)
    wide[others] = True
    problems = {}
    for problem in {found for found in parsed if isinstance(found, Problem)}:
        mask = np.zeros(len(cells), dtype=bool)
        mask[others] = np.array([found is problem for found in parsed])[places]
        problems[problem] = mask
    return pc.replace_with_mask(quick, pa.array(wide), pa.array(numbers, pa.string())), problems


def _quick(cells: pa.Array, region: str) -> pa.Array:
    """E.164 of plainly written home mobiles by the library's own pattern, "" for all other cells."""
    code = phonenumbers.country_code_for_region(region)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if region not in _UNMISTAKABLE_REGIONS or metadata is None or metadata.mobile is None:
        return pa.repeat("", len(cells))
    pattern = metadata.mobile.national_number_pattern
    bare = pc.replace_substring_regex(cells, rf"^\+{code}", "")
    plain = pc.match_substring_regex(bare, f"^(?:{pattern})$")
    return pc.if_else(plain, pc.binary_join_element_wise(f"+{code}", bare, ""), "")


def _one(text: str, region: str, *, fictitious: bool) -> str | Problem:
    if not text:
        return ""
    if is_scientific(text):
        return Problem.PHONE_SCIENTIFIC
    foreign = text.lstrip("'‘’ ").startswith(("+", "＋"))
    found = normalise_phone(
        text, region=region, allow_international=foreign, allow_landline=False, allow_fictitious=fictitious
    )
    return found.e164 or _PROBLEMS.get(found.error, Problem.PHONE_NOT_HOME_MOBILE)
