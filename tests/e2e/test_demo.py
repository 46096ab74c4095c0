"""`make demo`: a whole night on one screen."""

from pathlib import Path

from tests.e2e.conftest import Desk, Lender

STEPS = (
    "02:00  The night is planned",
    "What was read",
    "Where the loans stand",
    "What goes out",
    "What does not, and why",
    "The messages, one of each kind",
    "Withheld, and why",
    "02:01  The same night again, by mistake",
    "08:00  AD",
    "18:30  `send` again",
    "Answers that were lost on the way",
    "Receipts",
    "What the night came to",
    "told twice: 0.",
    "Audit verified: ",
    "Look around in demo-night",
)


def test_demo_tells_a_whole_night(tmp_path: Path) -> None:
    told = Lender(tmp_path).run("demo").out
    places = [told.find(step) for step in STEPS]
    assert -1 not in places, STEPS[places.index(-1)]
    assert places == sorted(places)
    assert "【安达车贷】" in told
    assert "+86100****" in told
    assert "10000000" not in told  # no number in clear

    # What it leaves is a lender's folder like any other.
    demo = Desk(tmp_path / "demo-night")
    assert demo.run("audit", "verify").out.startswith("ok: ")
    figures = demo.run("report", "--list", "--format", "json").json
    assert [run["kind"] for run in figures] == ["night", "night"]

    (tmp_path / "demo-night" / "mine.txt").touch()
    again = Desk(tmp_path).run("demo").out
    assert "Audit verified: " in again
    assert not (tmp_path / "demo-night" / "mine.txt").exists()


def test_demo_spares_a_folder_that_is_no_demo(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "loans.csv").touch()
    done = Desk(tmp_path).run("demo", "--folder", "mine", code=2)
    assert "mine is there and is no demo; name another --folder" in done.err
    assert (tmp_path / "mine" / "loans.csv").exists()
