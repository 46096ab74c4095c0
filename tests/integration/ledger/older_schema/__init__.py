"""Two migrations for the tests: an older schema, and the step from it to this version's.

Nothing is released, so the package itself has one first migration; the road from an older ledger must work all the
same before the first one needs it.
"""
