"""The night as a command, against the least that does its work and the script a lender would write.

`python -m benchmarks night [LOANS]`; `course` says what is run, `floor` and `script` what it is measured against.
"""


def run(loans: float = 100_000) -> dict[str, float]:
    """`course.run`, imported when it is asked for: the floor is of this package and must not pay for it."""
    from benchmarks.night import course  # noqa: PLC0415 - see above

    return course.run(loans)
