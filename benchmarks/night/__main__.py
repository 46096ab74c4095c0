"""One size, or parts of it; with `--write` the table goes into docs/performance.md."""

import argparse
import sys

from benchmarks.night.course import LOANS, PARTS, run


def main() -> int:
    """1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.night", description=__doc__)
    parser.add_argument("loans", nargs="?", type=int, default=LOANS)
    parser.add_argument(
        "--part", action="append", choices=PARTS, default=[], help="only this; may be repeated"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    if chosen.write and chosen.part:
        parser.error("--write needs every part: half a table would take the place of a whole one")
    figures = run(chosen.loans, parts=chosen.part, write=chosen.write)
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
