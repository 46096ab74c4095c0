"""Messages whose fate nobody knows, and what the network says of them later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from carloan_notify.config.example import sample_values
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.records import Channel
from tests.e2e.after import AS_OF, AT, audited
from tests.e2e.conftest import MORNING, Desk, copied


@pytest.fixture
def lossy() -> Iterator[Simulator]:
    """A gateway that takes every message and loses every answer."""
    with Simulator(Faults(dropped_after=1.0)) as running:
        yield running


@pytest.fixture(scope="module")
def one_loan(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose night queued one message about one overdue loan; copied, never used itself."""
    folder = copied(fresh_folder, tmp_path_factory.mktemp("one"))
    rows = (folder / "export" / "loans.csv").read_text(encoding="utf-8").splitlines()
    (folder / "export" / "loans.csv").write_text("\n".join([rows[0], rows[7], ""]), encoding="utf-8")
    values = sample_values()
    for name in ("changes", "events", "contacts"):
        del values["sources"][name]
    (folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    Desk(folder).night(AS_OF)
    return folder


@pytest.fixture
def lost(one_loan: Path, tmp_path: Path, lossy: Simulator) -> Desk:
    """The morning after that night, when all answers were lost."""
    desk = Desk(copied(one_loan, tmp_path))
    delivery = {
        "channels": {"sms": ["sim_sms"], "voice": ["sim_voice"]},
        "providers": {f"sim_{channel}": simulator_settings(lossy.url, channel) for channel in Channel},
    }
    portal = {
        "provider": "sim_sms", "reference": "ref", "state": "state", "delivered": ["DELIVRD"], "time": "at"
    }  # fmt: skip
    desk.configure(delivery=delivery, inbound={"receipt_files": {"portal": portal}})
    assert desk.send(MORNING, code=1)["unknown"] == 1
    return desk


def test_reconcile_asks_the_provider(lost: Desk) -> None:
    (row,) = lost.run("reconcile", *AT, "--format", "json").json
    assert row["found"] in ("accepted", "delivered")
    assert lost.run("reconcile", *AT, "--format", "json").json == []
    assert lost.messages("--state", "unknown") == []


@pytest.mark.parametrize(("verdict", "state"), [("sent", "accepted"), ("not-sent", "retryable")])
def test_operator_decides_when_the_provider_is_silent(
    lost: Desk, lossy: Simulator, verdict: str, state: str
) -> None:
    lossy.stop()
    (row,) = lost.run("reconcile", *AT, "--format", "json", code=1).json
    assert row["found"] not in ("accepted", "delivered")
    message_id = row["message_id"]
    lost.run("reconcile", "--mark", verdict, message_id, "--reason", "their log, ticket 4711", *AT)
    assert lost.messages()[0]["state"] == state
    assert any("ticket 4711" in text for text in audited(lost, ""))
    done = lost.run("reconcile", "--mark", verdict, message_id, "--reason", "again", *AT, code=2)
    assert message_id in done.err


def test_mark_needs_a_message_and_a_reason(after: Desk) -> None:
    assert "--mark needs MESSAGE_ID and --reason" in after.run("reconcile", "--mark", "sent", "M", code=2).err
    assert "--mark needs MESSAGE_ID and --reason" in after.run("reconcile", "--mark", "sent", code=2).err
    done = after.run("reconcile", "--mark", "sent", "M", "--reason", "x", code=2)
    assert "message M: not in the ledger" in done.err


def test_pulled_receipt_settles_what_was_unknown(lost: Desk) -> None:
    rows = lost.run("receipts", "pull", "--format", "json").json
    assert sum(row["settled"] for row in rows) == 1
    assert lost.messages()[0]["state"] == "delivered"
    assert lost.run("reconcile", *AT, "--format", "json").json == []


def test_provider_that_hands_nothing_out_is_asked_about_what_it_accepted(lost: Desk) -> None:
    delivery = yaml.safe_load((lost.folder / "config.yaml").read_text(encoding="utf-8"))["delivery"]
    for provider in delivery["providers"].values():
        del provider["receipts"]
    lost.configure(delivery=delivery)
    message_id = lost.messages()[0]["message_id"]
    lost.run("reconcile", "--mark", "sent", message_id, "--reason", "their log, ticket 4711", *AT)
    soon = ("--now", "2026-11-23T10:01:00+08:00", "--format", "json")
    assert {row["receipts"] for row in lost.run("receipts", "pull", *soon).json} == {0}
    later = ("--now", "2026-11-23T10:30:00+08:00", "--format", "json")
    assert sum(row["settled"] for row in lost.run("receipts", "pull", *later).json) == 1
    assert lost.messages()[0]["state"] == "delivered"
    assert {row["receipts"] for row in lost.run("receipts", "pull", *later).json} == {0}


def test_receipt_file_of_a_portal(lost: Desk) -> None:
    reference = lost.messages()[0]["message_id"]
    file = lost.folder / "portal.csv"
    file.write_text(
        f"ref,state,at\n{reference},DELIVRD,2026-11-23T10:05:00\nSTRANGER,DELIVRD,2026-11-23T10:05:00\n,,never\n",
        encoding="utf-8",
    )
    done = lost.run("receipts", "import", "portal.csv", "--kind", "portal", *AT, "--format", "json", code=1)
    (row,) = done.json
    assert (row["settled"], row["unmatched"], row["problems"]) == (1, 1, 1)
    assert (
        done.err
        == "problem: portal.csv:4: receipt_without_id: neither our id nor the provider's; check the columns\n"
    )
    (row,) = lost.run(
        "receipts", "import", "portal.csv", "--kind", "portal", *AT, "--format", "json", code=1
    ).json
    assert (row["settled"], row["repeated"]) == (0, 2)  # the stranger's stands on record as well
    assert lost.messages()[0]["state"] == "delivered"
    assert (
        "no kind 'web' (portal)" in lost.run("receipts", "import", "portal.csv", "--kind", "web", code=2).err
    )
    file.write_text("", encoding="utf-8")
    assert "portal.csv" in lost.run("receipts", "import", "portal.csv", "--kind", "portal", code=2).err


def test_gateway_that_is_gone_is_told(lost: Desk, lossy: Simulator) -> None:
    lossy.stop()
    done = lost.run("receipts", "pull", "--format", "json", code=1)
    assert {row["problems"] for row in done.json} == {1}
    assert "problem: sim_sms: receipts: not_connected" in done.err
    assert any("not_connected" in text for text in audited(lost, "return.problem"))
    assert "problem: sim_voice" in lost.run("replies", "pull", code=1).err


def test_provider_that_does_not_answer_or_serve(lost: Desk, lossy: Simulator) -> None:
    rows = lost.run("providers", "list", "--format", "json").json
    assert {row["receipts"] for row in rows} == {"pull"}
    assert all(row["look_up"].endswith(" h") for row in rows)
    args = ("providers", "test", "sim_sms", "--to", "+8610000000001", "--yes")
    assert "does not serve voice" in lost.run(*args, "--channel", "voice", code=2).err
    lossy.stop()
    (row,) = lost.run(*args, "--format", "json", code=1).json
    assert row["outcome"] != "accepted"
