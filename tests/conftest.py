"""How the suite runs: at random on a developer's machine, the same examples every time in CI.

A counterexample found by chance is for the developer who can look into it, not for a build that was never touched.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
