"""How the suite runs: at random on a developer's machine, the same examples every time in CI.

A counterexample found by chance is for the developer who can look into it, not for a build that was never touched.

Drawn examples are not traced for coverage: they take lines a thousand times that plain cases take once, tracing would
more than double their time, and a line that only chance reaches deserves a case of its own.
"""

import os
from collections.abc import Iterable

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark what Hypothesis draws for pytest-cov."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)
