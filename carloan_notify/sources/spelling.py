"""One spelling of an identifier and of "nothing", in whatever dress a spreadsheet or a database sends them.

Each function for a column has a plain twin for one text; only cells in no plain form are given to the twin,
once per distinct text.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import product
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.finding_codes import CellProblem
from carloan_notify.frames import bools
from carloan_notify.text import inline, inline_pattern

# Words that stand for nothing when they are the whole cell (pandas, NumPy, SQL, MySQL's dump, R, spreadsheets).


def _in_any_case(word: str) -> set[str]:
    return {"".join(letters) for letters in product(*((letter.lower(), letter.upper()) for letter in word))}


NULL_WORDS: Final = frozenset({
    *_in_any_case("nan"), *_in_any_case("null"), *_in_any_case("none"), *_in_any_case("n/a"),
    "NaT", "NA", "\\N", "<NA>", "<null>", "<NULL>", "(null)", "(NULL)", "[null]", "[NULL]", "undefined",
    "-nan", "-NaN", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND",
    "#N/A", "#NA", "#N/A N/A", "#NULL!", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NUM!",
})  # fmt: skip
"""Nat and Na are names of people, so NaT and NA count only as programs write them."""
UNSURE_NULL_WORDS: Final = frozenset(_in_any_case("none"))
"""In a list of accepted channels "none" may be a wish; there it is no null word."""


def null_words(cells: pa.Array, *, sure: bool = True) -> pa.Array:
    """A mask of the cells that are a null word; unless `sure`, those of `UNSURE_NULL_WORDS` are not."""
    return pc.is_in(cells, options=_LOOKUP if sure else _SURE_LOOKUP)


_LOOKUP: Final = pc.SetLookupOptions(pa.array(sorted(NULL_WORDS)))
_SURE_LOOKUP: Final = pc.SetLookupOptions(pa.array(sorted(NULL_WORDS - UNSURE_NULL_WORDS)))

# Identifiers.

MOST_EXACT: Final = 2**53
"""Above this a double leaves out whole numbers (IEEE 754): an identifier that came as one has lost digits."""
_PLAIN: Final = r"^[\x21\x23-\x26\x28-\x2a\x2c\x2d\x2f-\x3c\x3e-\x5f\x61-\x7e\x{4e00}-\x{9fff}]*$"
"""Printable ASCII but blank, quotes, `+`, `.`, `=`; Chinese characters: nothing to mend."""
_PLAIN_FLOAT: Final = r"^(\d{1,15})\.0*$"
_SCIENTIFIC: Final = re.compile(r"\d+(\.\d+)?[eE]\+\d+", re.ASCII)
_FLOAT: Final = re.compile(r"([+-]?\d+)\.0*", re.ASCII)
_FORMULA: Final = re.compile(r"^=\s*(?=\".*\"$|\d+(?:\.0*)?$)", re.ASCII)
_APOSTROPHES: Final = "'‘’`´ʼ"
_QUOTES: Final = ('"', "“”", "'", "‘’", "`")
_SAME_LOOKS: Final[Mapping[int, int | str]] = {
    **{full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)},  # full-width forms of ASCII
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212, 0xFE63), "-"),
}


def identifiers(cells: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Cells in the one spelling of `identifier`, and a mask of those whose digits are lost (their value is "")."""
    lost = np.zeros(len(cells), dtype=bool)
    odd = _odd(cells)
    if not len(odd):
        return cells, lost
    whole = pc.replace_substring_regex(cells.take(pa.array(odd)), _PLAIN_FLOAT, r"\1")
    cells = _replaced(cells, odd, whole)
    odd = odd[_odd(whole)]
    if not len(odd):
        return cells, lost
    coded = cells.take(pa.array(odd)).dictionary_encode()
    found = [identifier(text) for text in coded.dictionary.to_pylist()]
    places = coded.indices.to_numpy(zero_copy_only=False)
    lost[odd] = np.array([each is CellProblem.SCIENTIFIC_NOTATION for each in found], dtype=bool)[places]
    plain = pa.array(["" if isinstance(each, CellProblem) else each for each in found], pa.string())
    return _replaced(cells, odd, plain.take(coded.indices)), lost


def _odd(cells: pa.Array) -> np.ndarray:
    """The places of cells that may have to be mended."""
    return np.flatnonzero(~bools(pc.match_substring_regex(cells, _PLAIN)))


def identifier(text: str) -> str | CellProblem:
    """One text as an identifier: `20001` for `20001.0`, `="20001"`, `'20001`, full-width or with odd blanks.

    Leading zeros and case are kept, blanks and dashes inside become the plain ones. Scientific notation, and a
    float above 2^53, have lost digits.
    """
    bare = _undressed(" ".join(_visible(text).split()))
    whole = _FLOAT.fullmatch(bare)
    if _SCIENTIFIC.fullmatch(bare) or (whole and abs(int(whole[1])) > MOST_EXACT):
        return CellProblem.SCIENTIFIC_NOTATION
    return whole[1] if whole else bare


def one_spelling(text: str) -> str:
    """An identifier that a person typed or an older ledger holds, as the tables spell it; never refused."""
    found = identifier(text)
    return text.strip() if isinstance(found, CellProblem) else found


def _visible(text: str) -> str:
    """Without zero-width, direction and control characters (Cf, Cc), look-alikes as ASCII, composed (NFC)."""
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(
        char
        for char in text.translate(_SAME_LOOKS)
        if char not in _HIDDEN and (unicodedata.category(char)[0] != "C" or char.isspace())
    )
    return unicodedata.normalize("NFC", shown)


_HIDDEN: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Invisible though they are letters or marks: joiners, fillers, variation selectors."""


def _undressed(text: str) -> str:
    """Without what a spreadsheet puts around a text: apostrophe, quotes, the `=` of `="20001"` and `=20001`."""
    while (bare := _one_dress_less(text)) != text:
        text = bare
    return text


def _one_dress_less(text: str) -> str:
    for pair in _QUOTES:
        if len(text) > 1 and text[0] == pair[0] and text[-1] == pair[-1]:
            return text[1:-1].strip()
    return _FORMULA.sub("", text.lstrip(_APOSTROPHES)).strip()


# What a spreadsheet was told to keep as it is.

_TEXT_FORMULA: Final = r'^=\s*"((?s:.*))"$'


def without_formulas(cells: pa.Array) -> pa.Array:
    """`="20001"` as `20001`, trimmed; any other formula stays what it is, text."""
    if not pc.any(pc.starts_with(cells, "=")).as_py():
        return cells
    inner = pc.replace_substring_regex(cells, _TEXT_FORMULA, r"\1")
    return pc.utf8_trim_whitespace(
        pc.if_else(pc.equal(inner, cells), cells, pc.replace_substring(inner, '""', '"'))
    )


# Texts for people.


def inline_cells(cells: pa.Array) -> pa.Array:
    """Each cell as `text.inline` gives it."""
    odd = np.flatnonzero(bools(pc.match_substring_regex(cells, inline_pattern())))
    if not len(odd):
        return cells
    return _replaced(cells, odd, _mapped(cells.take(pa.array(odd)), inline))


def _mapped(cells: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """`change` on each cell, called once per distinct text."""
    coded = cells.dictionary_encode()
    return pa.array([change(text) for text in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _replaced(cells: pa.Array, places: np.ndarray, texts: pa.Array) -> pa.Array:
    wide = np.zeros(len(cells), dtype=bool)
    wide[places] = True
    return pc.replace_with_mask(cells, pa.array(wide), texts)
