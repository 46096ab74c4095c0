"""A short walk through days that go wrong; `make soak` walks for longer."""

from hypothesis import HealthCheck, settings

from tests.integration.reliability.days import Days

TestDays = Days.TestCase
TestDays.settings = settings(
    max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
