"""A spread of the crash points of every command in every test run; `make soak` crashes at each of them."""

import ast
from pathlib import Path

import pytest

from tests.integration.reliability.crash_points import PACKAGE, spread
from tests.integration.reliability.crashing import SCENARIOS, Scenario, campaign

MOST = 3


@pytest.mark.no_cover  # what crashes saves no figures
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_any_point_keeps_the_promise(tmp_path: Path, scenario: Scenario) -> None:
    found = campaign(scenario, tmp_path, lambda: "", MOST)
    assert found.crashes == min(MOST, found.points)


def test_a_spread_holds_both_ends() -> None:
    assert spread(2, 3) == [1, 2]
    assert spread(25, 3) == [1, 13, 25]
    assert spread(4, 4) == [1, 2, 3, 4]


# The source holds no other way to commit or to call a provider.


def test_every_way_to_commit_and_to_call_a_provider_is_hooked() -> None:
    """A commit or an exchange made in another way than those that `install` hooks would be no point."""
    strays = [f"{path}: {call}" for path in sorted(Path(PACKAGE).rglob("*.py")) for call in _strays(path)]
    assert strays == []


KNOWN_STRAYS = {
    "app.py": {"AUTOCOMMIT"},  # the session that holds the night's lock: it changes nothing
    "ledger/store.py": {"AUTOCOMMIT"},  # VACUUM
    "delivery/http.py": {"adapter.send"},  # inside Wire.exchange
}


def _strays(path: Path) -> list[str]:
    inside = str(path)[len(PACKAGE) :]
    found = [name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if (name := _unhooked(node))]
    return [name for name in found if name not in KNOWN_STRAYS.get(inside, set())]


def _unhooked(node: ast.AST) -> str:
    """Another way to commit (AUTOCOMMIT, a driver's own commit) or to send (`requests`, `urllib`) than the hooked."""
    if isinstance(node, ast.Constant) and node.value == "AUTOCOMMIT":
        return "AUTOCOMMIT"
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return ""
    call = ast.unparse(node.func)
    direct = {
        "adapter.send",
        "requests.get",
        "requests.post",
        "requests.request",
        "urlopen",
        "request.urlopen",
    }
    return call if call in direct or call.endswith((".commit", ".urlopen")) else ""
