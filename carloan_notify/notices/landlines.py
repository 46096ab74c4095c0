"""Which of many numbers no text message can reach."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.phones import CODE_HEAD, FICTITIOUS, calling_code, is_landline, mobile_pattern


def landlines(numbers: Iterable[str]) -> set[str]:
    """Those of these numbers (E.164) at which a text message cannot arrive; a million take a second."""
    left = pa.array(numbers, pa.large_string())
    left = left.filter(pc.invert(pc.match_substring_regex(left, f"^(?:{FICTITIOUS})$")))
    for code in {
        calling_code(head) for head in pc.utf8_slice_codeunits(left, 0, CODE_HEAD).unique().to_pylist()
    }:
        mobile = mobile_pattern(code)
        if mobile is not None:
            left = left.filter(pc.invert(pc.match_substring_regex(left, f"^(?:{mobile.pattern})$")))
    return {number for number in left.to_pylist() if is_landline(number)}
