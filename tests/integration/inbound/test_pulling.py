"""Pulls that meet trouble: a page that a queue hands out once gets into the ledger, sooner or later, once."""

import sqlite3
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.app import App
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.errors import LedgerUnavailableError
from carloan_notify.ledger import audit, intake, replies, stopping
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.replies import ReplyFilter
from carloan_notify.pipeline.inbox import Keep, Kept, believed_times, keeper, page_of, text_of
from carloan_notify.pipeline.returns import Pulling, log_problem, spool_of
from tests.integration.inbound.desk import house_at, make_ledger, states
from tests.integration.inbound.queue import SECRET, OnceOnly, left, pulled, receipt, reply
from tests.integration.ledger.drafts import NOW, PHONE, draft, name_of, state
from tests.transactions import commit, look

STRANGER = "+12025550177"


@pytest.fixture
def app(tmp_path: Path) -> App:
    found = house_at(tmp_path)
    make_ledger(found)
    return found


def gone(*_: object) -> Kept:
    raise LedgerUnavailableError("the disk is full")


def killed(*_: object) -> Kept:
    raise KeyboardInterrupt


def odd(app: App, ledger: Ledger, provider: str, page: ReturnPage) -> Kept:
    """A bug that only some pages meet."""
    if page.receipts and page.receipts[0].message_id == name_of(0):
        raise ValueError(SECRET)
    return keeper(app)(app, ledger, provider, page)


@pytest.mark.parametrize(("keep", "raised"), [(gone, LedgerUnavailableError), (killed, KeyboardInterrupt)])
def test_a_page_survives_whatever_ends_the_pull(app: App, keep: Keep, raised: type[BaseException]) -> None:
    page = ReturnPage((receipt(0),), (reply("退订"),), ("gate: record 2: no time",), unread=b"\xff1")
    with pytest.raises(raised):
        pulled(app, OnceOnly(page), keep)
    (file,) = left(app)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    content = file.read_bytes()
    assert PHONE.encode() not in content
    assert name_of(0).encode() not in content
    figures, told = pulled(app, OnceOnly())
    assert (figures["settled"], figures["stopping"], figures["problems"]) == (1, 1, 1)
    assert told == ["gate: record 2: no time"]
    assert left(app) == []
    assert set(pulled(app, OnceOnly())[0].values()) == {0}
    assert states(app)[name_of(0)] == "delivered"


def test_a_page_survives_a_ledger_that_is_held(app: App) -> None:
    other = sqlite3.connect(app.folder / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailableError):
        pulled(app, OnceOnly(ReturnPage((receipt(0),))))
    other.execute("ROLLBACK")
    other.close()
    assert pulled(app, OnceOnly())[0]["settled"] == 1


def test_a_bug_keeps_its_page_and_nobody_else(app: App) -> None:
    pages = [ReturnPage((receipt(number),)) for number in range(3)]
    figures, told = pulled(app, OnceOnly(*pages), odd)
    assert (figures["settled"], figures["problems"]) == (2, 1)
    (file,) = left(app)
    line = odd.__code__.co_firstlineno + 3
    what = f"gate: a page could not be taken, a bug (ValueError at test_pulling.py:{line})"
    assert told == [f"{what}; it stays in {file}"]
    assert pulled(app, OnceOnly(), odd)[1] == told, "it is told of until it is taken"
    assert left(app) == [file]
    figures, told = pulled(app, OnceOnly())
    assert (figures["settled"], told, left(app)) == (1, [], [])


def test_receipts_are_kept_before_anybody_reads_a_reply(app: App) -> None:
    page = ReturnPage((receipt(0),), (replace(reply(), text=5),))  # type: ignore[arg-type] # what a broken adapter may hand out
    _, told = pulled(app, OnceOnly(page))
    assert "a bug (AttributeError" in told[0] or "a bug (TypeError" in told[0]
    assert states(app)[name_of(0)] == "delivered"
    assert len(left(app)) == 1


def test_what_lies_in_the_folder_and_is_no_page_is_told(app: App) -> None:
    folder = app.folder / "returned"
    folder.mkdir()
    (folder / "a.page").write_bytes(b"")
    (folder / "b.page").write_bytes(b"not sealed by anybody")
    _, told = pulled(app, OnceOnly(ReturnPage((receipt(0),))))
    assert [problem.split(";")[0] for problem in told] == [
        f"{folder / 'a'}.page: cannot be read (JSONDecodeError)",
        f"{folder / 'b'}.page: cannot be read (LedgerError)",
    ]
    assert states(app)[name_of(0)] == "delivered"


def test_a_page_that_another_pull_has_taken_is_no_problem(app: App) -> None:
    with app.open_ledger() as ledger:
        spool = spool_of(app, ledger)
        name = spool.put(text_of("gate", ReturnPage((receipt(0),))), NOW)
        spool.drop(name)
        spool.drop(name)
        assert spool.text(name) is None
        spool.names = lambda: [name]  # type: ignore[method-assign] # it was there when we looked
        pulling = Pulling(app, ledger, keeper(app), log_problem, spool)
        pulling.take_up()
        assert pulling.figures == {}


def test_without_room_to_put_it_aside_a_page_is_taken_all_the_same(app: App) -> None:
    (app.folder / "returned").write_bytes(b"a file where the folder should be")
    figures, told = pulled(app, OnceOnly(ReturnPage((receipt(1),)), ReturnPage((receipt(0),))), odd)
    assert figures["settled"] == 1
    assert told[0] == "gate: no room to put a page aside first (File exists); make room"
    assert told[-1].endswith("; it is lost, ask the provider for it")


@given(st.lists(st.text(st.characters()), max_size=3), st.binary(), st.datetimes(timezones=st.just(UTC)))
def test_a_page_comes_out_of_its_text_as_it_was(texts: list[str], unread: bytes, at: datetime) -> None:
    page = ReturnPage(
        receipts=tuple(receipt(0, at, detail=text, phone=PHONE, blocked=True) for text in texts),
        replies=tuple(replace(reply(text, at=at), opted_out=True) for text in texts),
        problems=tuple(texts),
        unread=unread,
    )
    assert page_of(text_of("gate", page)) == ("gate", page)


WILD = st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False)


def test_no_time_costs_a_record(tmp_path: Path) -> None:
    app = house_at(tmp_path)
    make_ledger(app, 1)
    keep = keeper(app)
    with app.open_ledger() as ledger:

        @settings(max_examples=20)
        @given(st.lists(WILD, min_size=1, max_size=3))
        def check(times: list[datetime]) -> None:
            receipts = tuple(receipt(0, at, code=f"c{place}") for place, at in enumerate(times))
            replies = tuple(reply(at=at, reply_id="") for at in times)
            kept = keep(app, ledger, "gate", ReturnPage(receipts, replies))
            assert kept.figures["receipts"] == kept.figures["replies"] == len(times)
            odd = sum(not believed_times(app).holds(at) for at in times)
            assert kept.figures["problems"] == len(kept.problems) == 2 * odd

        check()
        assert state(ledger, name_of(0)) == "delivered"


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_an_odd_time_is_that_of_arrival_and_a_problem(app: App, at: datetime) -> None:
    page = ReturnPage((receipt(0, at),), (reply("STOP", at=at),))
    figures, told = pulled(app, OnceOnly(page))
    assert (figures["settled"], figures["stopping"], figures["problems"]) == (1, 1, 2)
    assert told == [
        "gate: receipt 0: a time that cannot be; taken as of now",
        "gate: reply 0: a time that cannot be; taken as of now",
    ]
    with app.open_ledger() as ledger:
        assert set(look(ledger, replies.table)["received_at"]) == {"2026-11-23T02:00:00.000000Z"}
        assert look(ledger, audit.show, kind="return.problem")["data"][0].count("a time that cannot be") == 2


@pytest.mark.parametrize("phone", ["138****8000", "1.3812E+10", "10086", "", "Anda Bank"])
def test_an_opt_out_of_no_number_stops_nobody_and_says_so(app: App, phone: str) -> None:
    figures, told = pulled(app, OnceOnly(ReturnPage(replies=(reply("STOP", phone),))))
    assert (figures["stopping"], figures["work_list"], figures["problems"]) == (0, 1, 1)
    assert told == ["gate: reply 0: its sender is no number; it stops nothing, see the work list"]
    with app.open_ledger() as ledger:
        assert look(ledger, stopping.table).empty
        (row,) = look(ledger, replies.table, ReplyFilter(open_only=True)).to_dict("records")
    assert (row["kind"], row["action"]) == ("opt_out", "work list")


@pytest.mark.parametrize("phone", ["+12025550177", "+1 202-555-0177", "+8617912345678", "+8612345678901"])
def test_a_stranger_s_opt_out_is_kept_and_looked_at(app: App, phone: str) -> None:
    """The last two: in full, of no plan that is known. Better stopped for nothing than not stopped."""
    figures, told = pulled(app, OnceOnly(ReturnPage(replies=(reply("STOP", phone),))))
    assert (figures["strangers"], figures["stopping"], figures["work_list"], told) == (1, 1, 1, [])
    with app.open_ledger() as ledger:
        (kept,) = look(ledger, stopping.table).to_dict("records")
        assert kept["phone_hash"] == ledger.cipher.phone_hash(phone if phone[1] == "8" else STRANGER)
        assert list(look(ledger, replies.table)["action"]) == ["stop every class, work list"]


def test_refused_receipts_are_told(app: App) -> None:
    with app.open_ledger() as ledger:
        commit(ledger, intake.enqueue, "run", [draft(9)], NOW)
    _, told = pulled(app, OnceOnly(ReturnPage((receipt(9),))))
    assert told == [
        f"receipt for message {name_of(9)}: it was never sent".replace(name_of(9), "0" * 18 + "****0009")
    ]
