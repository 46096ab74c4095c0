"""What the tests of providers have in common."""

import pytest

from carloan_notify.delivery import provider


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vendors' answers are waited for 0.3 s instead of 20; a gateway that is described says it itself."""
    monkeypatch.setattr(provider, "ANSWER_S", 0.3)
