import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.errors import SourceError
from carloan_notify.inbound.files import instants, read_replies, sentences
from carloan_notify.inbound.settings import ReplyFileSettings
from carloan_notify.inbound.times import ODD, span_around

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SPAN = span_around(NOW)
ZONE = "Asia/Shanghai"
KIND = ReplyFileSettings(provider="main", phone="mobile", text="content", time="at")
SENT = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def test_a_csv_export_becomes_replies(tmp_path: Path) -> None:
    path = tmp_path / "replies.csv"
    path.write_text(
        "mobile,content,at,id\n"
        "+12025550100,退订,2026-11-23T09:00:00,7\n"
        "+12025550101,,2026-11-23T09:00:00+08:00,8\n"
        "+12025550102,stop,yesterday,9\n"
        ",stop,2026-11-23T09:00:00,10\n",
        encoding="utf-8-sig",
    )
    read = read_replies(path, KIND.model_copy(update={"id": "id", "time_format": "mixed"}), NOW, SPAN, ZONE)
    assert [(r.phone, r.text, r.reply_id, r.received_at) for r in read.replies] == [
        ("+12025550100", "退订", "7", SENT),
        ("+12025550101", "", "8", SENT),
        ("+12025550102", "stop", "9", NOW),  # it may say stop: better now than never
    ]
    assert list(read.findings["code"]) == ["reply_without_number", "reply_time"]
    assert list(read.findings["place"]) == ["replies.csv:5", "replies.csv:4"]
    assert "+1202" not in read.findings.to_csv()


def test_without_id_and_time_a_row_is_the_same_reply_when_read_again(tmp_path: Path) -> None:
    path = tmp_path / "replies.csv"
    path.write_text("mobile,content,at\n+12025550102,stop,yesterday\n", encoding="utf-8")
    (reply,) = read_replies(path, KIND, NOW, SPAN, ZONE).replies
    assert reply.reply_id == "time: yesterday"


def test_a_time_that_cannot_be_is_taken_as_now(tmp_path: Path) -> None:
    path = tmp_path / "replies.csv"
    times = ("0001-01-05T00:00:00", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00", "2025-11-22T00:00:00")
    path.write_text("mobile,content,at\n" + "".join(f"+12025550102,stop,{at}\n" for at in times))
    read = read_replies(path, KIND, NOW, SPAN, ZONE)
    assert [reply.received_at for reply in read.replies] == [NOW] * 4
    assert len({reply.reply_id for reply in read.replies}) == 4
    assert list(read.findings["code"]) == ["reply_time_odd"] * 4
    assert sentences(read.findings)[1] == f"replies.csv:3: reply_time_odd: {ODD}"


@given(st.lists(st.text() | st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat)))
def test_no_time_in_a_file_breaks_the_import(texts: list[str]) -> None:
    at, odd = instants(pd.Series(texts, dtype="str"), KIND.time_format, SPAN, "America/New_York")
    assert [SPAN.holds(one) for one in at.dropna()] == [True] * int(at.notna().sum())
    assert not (odd & at.notna()).any()
    assert len(at) == len(odd) == len(texts)


def test_a_json_export_with_our_reference(tmp_path: Path) -> None:
    path = tmp_path / "replies.json"
    items = [{"mobile": 12025550100, "content": "已还", "at": "2026-11-23T01:00:00Z", "extend": "M1"}]
    path.write_text(json.dumps({"data": items}), encoding="utf-8")
    kind = KIND.model_copy(update={"reference": "extend"})
    (reply,) = read_replies(path, kind, NOW, SPAN, ZONE).replies
    assert (reply.phone, reply.text, reply.message_id, reply.reply_id) == ("12025550100", "已还", "M1", "")


def test_a_file_without_its_columns_says_which(tmp_path: Path) -> None:
    path = tmp_path / "replies.csv"
    path.write_text("mobile,content\n1,退订\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"no column at;.*has: mobile, content"):
        read_replies(path, KIND, NOW, SPAN, ZONE)
