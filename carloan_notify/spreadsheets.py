"""What a spreadsheet would run instead of show (OWASP, CSV injection): one list for every CSV we write."""

from typing import Final

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def looks_like_formula(cell: str) -> bool:
    """Whether a spreadsheet might take this cell for a formula; such a cell gets an apostrophe in front."""
    return cell.startswith(FORMULA_STARTS)
