"""`python -m benchmarks.night [LOANS] [--write]`: one size; with `--write` its table goes into docs/performance.md."""

import argparse

from benchmarks.night.course import LOANS, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.night", description=__doc__)
    parser.add_argument("loans", nargs="?", type=int, default=LOANS)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    run(chosen.loans, write=chosen.write)
