import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.errors import SourceError
from carloan_notify.inbound.files import read_export
from carloan_notify.inbound.settings import InboundSettings, ReceiptFileSettings
from carloan_notify.inbound.times import span_around
from carloan_notify.pipeline.returns import pull
from carloan_notify.records import MessageClass, Receipt
from tests.unit.delivery.world import FakeProvider

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SPAN = span_around(NOW)
ZONE = "Asia/Shanghai"
KIND = ReceiptFileSettings(
    provider="main",
    reference="extend",
    provider_ref="msgid",
    state="status",
    delivered=["DELIVRD"],
    pending=["WAIT"],
    time="at",
)


def receipt(number: int) -> Receipt:
    return Receipt("main", f"r{number}", "", delivered=True, code="DELIVRD", detail="", occurred_at=NOW)


class Queue(FakeProvider):
    """Hands out a page and forgets the one before: asking confirms."""

    def __init__(self, pages: list[ReturnPage]) -> None:
        """Nothing asked yet."""
        super().__init__()
        self.pages = pages
        self.asked: list[str] = []

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        assert since == NOW
        self.asked.append(cursor)
        return self.pages[int(cursor or 0)]


@given(st.integers(1, 6))
def test_pull_walks_every_page_once_and_only_when_asked(count: int) -> None:
    pages = [ReturnPage((receipt(i),), cursor=str(i + 1), more=i + 1 < count) for i in range(count)]
    queue = Queue(pages)
    for taken, page in enumerate(pull(queue, NOW), start=1):
        assert page.receipts == (receipt(taken - 1),)
        assert len(queue.asked) == taken, "the next page is asked for before this one was settled"
    assert queue.asked == ["", *[str(i) for i in range(1, count)]]


def test_a_cursor_that_stands_still_ends_the_pull() -> None:
    queue = Queue([ReturnPage(problems=("http_500",), more=True)])
    assert len(list(pull(queue, NOW))) == 1


def test_a_pull_has_an_upper_bound() -> None:
    queue = Queue([ReturnPage(cursor="1", more=True), ReturnPage(cursor="0", more=True)])
    assert len(list(pull(queue, NOW, most=5))) == 5


def test_a_csv_export_becomes_receipts(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "msgid,extend,status,at\n"
        "1,M1,DELIVRD,2026-11-23 09:00:00\n"
        "2,,UNDELIV,2026-11-23T09:00:01+08:00\n"
        "3,M3,WAIT,2026-11-23 09:00:02\n"
        ",,DELIVRD,2026-11-23 09:00:03\n"
        "5,M5,,2026-11-23 09:00:04\n"
        "6,M6,DELIVRD,yesterday\n",
        encoding="utf-8-sig",
    )
    imported = read_export(path, KIND.model_copy(update={"time_format": "mixed"}), NOW, SPAN, ZONE)
    assert [(r.provider_ref, r.message_id, r.delivered, r.code) for r in imported.receipts] == [
        ("1", "M1", True, "DELIVRD"),
        ("2", "", False, "UNDELIV"),
    ]
    assert {r.occurred_at.utcoffset() for r in imported.receipts} == {NOW.utcoffset()}
    assert imported.receipts[0].occurred_at == NOW
    assert imported.pending == 1
    assert list(imported.findings["code"]) == ["receipt_without_id", "receipt_without_state", "receipt_time"]
    assert list(imported.findings["place"]) == ["export.csv:5", "export.csv:6", "export.csv:7"]


def test_a_chinese_export_with_its_own_format(tmp_path: Path) -> None:
    path = tmp_path / "回执.tsv"
    path.write_bytes("编号\t状态\t时间\n77\t成功\t2026/11/23 09:00:00\n".encode("gb18030"))
    kind = ReceiptFileSettings(
        provider="main",
        provider_ref="编号",
        state="状态",
        delivered=["成功"],
        time="时间",
        time_format="%Y/%m/%d %H:%M:%S",
        encoding="gb18030",
    )
    (only,) = read_export(path, kind, NOW, SPAN, ZONE).receipts
    assert (only.provider_ref, only.delivered, only.occurred_at) == ("77", True, NOW)


def test_a_json_export_with_times_of_its_own_zone(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    items = [{"msgid": 9, "extend": None, "status": "FAILED 13800138000", "at": "2026-11-23T01:00:00Z"}]
    path.write_text(json.dumps({"total": 1, "data": items}))
    (only,) = read_export(path, KIND, NOW, SPAN, ZONE).receipts
    assert (only.provider_ref, only.message_id, only.delivered, only.occurred_at) == ("9", "", False, NOW)
    assert only.code == "FAILED ", "a number that could be a person's does not become a code"


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", b"msgid,status\n1,DELIVRD\n", r"no column at, extend; .*has: msgid, status"),
        ("a.csv", b"", "cannot be read as utf-8-sig"),
        ("a.csv", b"msgid\n\xff\xfe\xff", "cannot be read as utf-8-sig"),
        ("a.json", b"{", "JSON list"),
        ("a.json", b"[1]", "JSON list"),
        ("a.json", b'{"total": 1}', "JSON list"),
        ("a.json", b'{"sent": [], "failed": []}', "JSON list"),
    ],
)
def test_a_file_that_is_no_export_says_why(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=match):
        read_export(tmp_path / name, KIND, NOW, SPAN, ZONE)


def test_a_time_that_cannot_be_settles_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "msgid,extend,status,at\n1,M1,DELIVRD,0001-01-01 00:00:00\n,,DELIVRD,9999-12-31 23:59:59\n"
    )
    read = read_export(path, KIND, NOW, SPAN, ZONE)
    assert [(r.message_id, r.occurred_at) for r in read.receipts] == [("M1", NOW)]
    assert list(read.findings["code"]) == ["receipt_without_id", "receipt_time_odd"]


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    for name in ("none.csv", "none.json"):
        with pytest.raises(SourceError, match=name):
            read_export(tmp_path / name, KIND, NOW, SPAN, ZONE)


def test_the_defaults_are_valid() -> None:
    assert InboundSettings().opt_out_stops == list(MessageClass)
