"""A spread of the crash points of every command in every test run; `make soak` crashes at each of them."""

import ast
from pathlib import Path

import pytest

from carloan_notify.delivery.simulator.server import Simulator
from tests.integration.reliability.crash_points import PACKAGE, spread
from tests.integration.reliability.crash_scenarios import SCENARIOS, WORSE
from tests.integration.reliability.crash_sites import Site, sites, sites_of
from tests.integration.reliability.crashing import Scenario, campaign, passed, places

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


# No site of the source is left out: each is passed by a scenario, or belongs to none of the nine commands.

ELSEWHERE = {
    "cli/ledger.py:messages": "`ledger messages --reveal`: one audit row",
    "cli/ledger.py:erase": "`ledger erase`; `restore` passes what a crash of it leaves",
    "delivery/testing.py": "the contract test for providers; no command has it",
    "delivery/providers/": "a vendor's request leaves between the same two commits as the described gateway's",
    "ledger/upkeep.py:compact": "`ledger compact`: one audit row, after the database has rewritten its own files",
    "ledger/schema.py:migrate": "`ledger migrate`: one transaction, after a backup",
    "pipeline/certificate_desk.py": "`certificate …`: a clerk, who says it again; what it left, a night takes up",
    "pipeline/evidence.py": "`evidence`: one audit row, then a digest; the bundle appears whole or not at all",
    "pipeline/providers.py:try_provider": "`providers test`: one message that an operator sends to an own phone",
    "pipeline/replies.py": "`replies …`: a person at the work list",
    "pipeline/portal.py:import_receipts": "`receipts import`: one transaction, and the file stays",
    "pipeline/promises.py": "`promises …`: one transaction each; `add` first leaves a proposal, as a reply does",
    "pipeline/upkeep.py": "`suppress …`: one transaction each",
    "pipeline/holds.py": "`holds …`: one transaction each, also for a whole file",
    "pipeline/numbers.py": "`numbers …`: one transaction each, also for a whole file",
}
"""Sites by file and function, file or folder, and the command that they belong to."""


def _elsewhere(site: Site) -> bool:
    return any(site.owner.startswith(beginning) for beginning in ELSEWHERE)


@pytest.mark.no_cover
def test_every_site_is_passed_by_a_scenario(tmp_path: Path) -> None:
    """Where this fails, a scenario is missing: add one that passes the site, so that it crashes there too."""
    points: set[str] = set()
    left_out = known = sites()
    for number, scenario in enumerate((*WORSE, *reversed(SCENARIOS))):
        if all(map(_elsewhere, left_out)):
            break  # the others pass no other sites
        with Simulator(scenario.faults) as simulator:
            points |= places(passed(scenario, tmp_path / str(number), "", simulator).points)
        left_out = [site for site in left_out if not any(map(site.holds, points))]
    assert [str(site) for site in left_out if not _elsewhere(site)] == []
    assert [point for point in points if not any(site.holds(point) for site in known)] == [], "no site there"
    needed = {beginning for beginning in ELSEWHERE for site in left_out if site.owner.startswith(beginning)}
    assert needed == set(ELSEWHERE), "an exception that is none any more"


def test_a_site_is_found_however_it_is_written() -> None:
    source = """
def night(app, path, draft):
    with one_night(app), app.open_ledger() as ledger, ledger.write() as tx:
        pass
    with (
        app.open_ledger() as ledger,
        ledger.write(wipes=True) if path else ledger.read() as tx,
    ):
        def inner():
            draft.replace(
                path
            )
        os.replace(draft, path)
        path.unlink(missing_ok=True)
    wire.exchange(request)
    text.replace("a", "b"), when.replace(day=1), file.write(text), frame.rename(columns={})
"""
    found = sites_of(source, "a.py")
    assert [str(site) for site in found] == [
        "a.py:3: commit in night",
        "a.py:5: commit in night",
        "a.py:10: file in inner",
        "a.py:13: file in night",
        "a.py:14: file in night",
        "a.py:15: exchange in night",
    ]
    assert [line for line in range(20) if found[1].holds(f"commit a.py:night:{line}")] == [5, 6, 7, 8]
    assert not found[1].holds("file a.py:night:7")


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
