"""Where two texts part, short enough for one line of a report."""

from difflib import SequenceMatcher
from typing import Final

_KEPT: Final = 6
_GAP: Final = "…"


def difference(ours: str, theirs: str) -> str:
    """Only what differs, each place with a few characters before and after: `[-ours-]{+theirs+}`.

    "" if and only if the texts are equal. What is left out between two places is `…`.
    """
    if ours == theirs:
        return ""
    steps = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    parts = []
    for number, (kind, start, end, their_start, their_end) in enumerate(steps, 1):
        if kind == "equal":
            parts.append(_shortened(ours[start:end], first=number == 1, last=number == len(steps)))
        else:
            parts += [
                _marked("[-", ours[start:end], "-]"),
                _marked("{+", theirs[their_start:their_end], "+}"),
            ]
    return "".join(parts)


def _marked(opening: str, text: str, closing: str) -> str:
    return f"{opening}{text}{closing}" if text else ""


def _shortened(text: str, *, first: bool, last: bool) -> str:
    """A stretch that is the same in both texts, cut where no change is near."""
    head, tail = ("" if first else text[:_KEPT]), ("" if last else text[-_KEPT:])
    return text if len(text) <= len(head) + len(tail) else head + _GAP + tail
