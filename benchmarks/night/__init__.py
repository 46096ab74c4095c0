"""The night as a command, against the least that does its work and the script a lender would write.

`python -m benchmarks night [LOANS]`; see `benchmarks.night.course` for what is run and `benchmarks.night.floor` for what
it is measured against.
"""

from benchmarks.night.course import run

__all__ = ["run"]
