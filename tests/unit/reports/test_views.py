"""A night on a terminal, as a page and as metrics."""

import io
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from carloan_notify.reports.html import preview_page
from carloan_notify.reports.night import NightReport, print_night, write_metrics
from carloan_notify.reports.tables import print_messages
from tests.unit.reports.samples import LENDER, report

ROW = {
    "loan_id": "L1", "notice": "due_today", "channel": "sms", "role": "borrower", "decision": "queued",
    "reason": "", "why": "", "phone": "+86100****0001", "not_before": "2026-11-23T08:00+08:00",
    "segments": 2, "text": "【安达车贷】[red]<script>alert(1)</script>",
}  # fmt: skip


def shown(night: NightReport, form: str = "table") -> str:
    stream = io.StringIO()
    print_night(night, stream, form)
    return stream.getvalue()


def test_terminal_tells_everything() -> None:
    text = shown(report())
    for part in (
        "Night of 2026-11-23", "What was read", "Where the loans stand", "What goes out",
        "What does not, and why", "What was found", "Guards", "accepted", "[red]more[/red]", "Reconciled",
        "Rejected rows with their cures: reports/rejects-R1.csv",
    ):  # fmt: skip
        assert part in text


def test_terminal_tells_nothing_that_did_not_happen() -> None:
    text = shown(report(guards=(), findings={}, reasons={}, by_notice={}, rejects_file=""))
    for part in ("Guards", "What was found", "What goes out", "Rejected rows"):
        assert part not in text


def test_terminal_ends_with_what_a_person_must_do() -> None:
    night = report(
        accepted_guards=(),
        stopped_by="kill_switch",
        unlisted_codes=("E42", "E43"),
        template_failures=("en/due_today.sms.j2:3: empty; write text",),
        advice=("sms: top up the account",),
    )
    text = shown(night)
    assert "STOPPED" in text
    closing = text[text.index("Rejected rows") :]
    assert "Sending stopped early: kill_switch; the rest stays queued for the next `send`" in closing
    assert "Answers that no code table knows (messages kept as unknown): E42, E43" in closing
    assert "en/due_today.sms.j2:3: empty; write text" in closing
    assert closing.rstrip().endswith("sms: top up the account")


def test_csv_has_one_figure_a_row() -> None:
    lines = shown(report(), "csv").splitlines()
    assert lines[0] == "figure,value"
    assert "notices,9" in lines


def test_messages_are_printed_whole_and_literally() -> None:
    stream = io.StringIO()
    print_messages([ROW | {"text": "还" * 300 + "[red]!"}], stream)
    text = stream.getvalue()
    assert text.count("还") == 300
    assert "[red]!" in text
    assert "2 part(s)" in text


class Tags(HTMLParser):
    """Collects tags and text, as a browser would see them."""

    def __init__(self, page: str) -> None:
        """Read the whole page."""
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_runs_and_fetches_nothing() -> None:
    page = preview_page(report(accepted_guards=()), [ROW, ROW | {"decision": "held", "text": ""}], LENDER)
    seen = Tags(page)
    assert not {"script", "i", "b"} & set(seen.tags) - {"b"}
    assert seen.tags.count("b") == 1  # the guard's name, not the lender's
    for part in ("安达 <b>&: 2026-11-23", "9 <i>times</i>", ROW["text"], "Notices 通知 9"):
        assert str(part) in seen.text
    assert "http" not in page
    assert page.count('<tr class="queued">') == page.count('<tr class="held">') == 1


@pytest.mark.parametrize("status", ["finished", "stopped"])
def test_metrics(tmp_path: Path, status: str) -> None:
    path = tmp_path / "new" / "notify.prom"
    write_metrics(report(status=status), datetime(2026, 11, 23, tzinfo=UTC), path)
    lines = set(path.read_text(encoding="utf-8").splitlines())
    assert lines >= {
        f"carloan_notify_last_run_finished {float(status == 'finished')}",
        "carloan_notify_last_run_timestamp_seconds 1.795392e+09",
        'carloan_notify_notices{decision="queued"} 6.0',
        'carloan_notify_messages{outcome="pending"} 3.0',
        'carloan_notify_rows{kind="rejected",table="loans"} 2.0',
        'carloan_notify_guard_tripped{guard="cost"} 1.0',
    }
    assert list(path.parent.iterdir()) == [path]
