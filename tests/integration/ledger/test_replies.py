"""Replies in the ledger: kept once, matched, acted on in one transaction, worked off, forgotten."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.hold_codes import HoldReason
from carloan_notify.ledger import audit, health, holds, intake, replies, stopping, unknowns, unread, upkeep
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.replies import COLUMNS, Judged, ReplyFilter, ReplyHold, Taken
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.tables import REPLIES
from carloan_notify.records import MessageClass, Outcome, Reply
from tests.integration.ledger.drafts import NOW, PHONE, answer, draft, name_of, on_sqlite, put_on_wire, state
from tests.transactions import commit, look, wiping

LATER = NOW + timedelta(hours=2)
OTHER_PHONE = "+12025550101"
EVERY: dict[str, Any] = {"stops": (None,)}
DISPUTE: dict[str, Any] = {"holds": (ReplyHold(HoldReason.DISPUTE, NOW.date() + timedelta(days=29)),)}
ALL = ReplyFilter()
SECRET = "我住院了 12025550100"


def reply(text: str = SECRET, *, phone: str = PHONE, minute: int = 0, **given: str) -> Reply:
    at = LATER + timedelta(minutes=minute)
    return Reply("gate", given.get("reply_id", ""), phone, text, at, given.get("message_id", ""))


def judged(said: Reply, kind: str = "hardship", *, work_list: bool = True, **acts: Any) -> Judged:
    return Judged(said, kind, "hardship_zh", "work list", acts.pop("stops", ()), work_list, **acts)


def told(ledger: Ledger, *numbers: int, **changes: Any) -> None:
    """Messages that were sent and accepted."""
    commit(ledger, intake.enqueue, "run", [draft(number, **changes) for number in numbers], NOW)
    for name in put_on_wire(ledger):
        answer(ledger, name, Outcome.ACCEPTED, f"ref-{name}")


def only(ledger: Ledger) -> dict[str, Any]:
    (row,) = look(ledger, replies.table).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_reply_is_kept_once_and_matched_to_the_last_message(ledger: Ledger) -> None:
    told(ledger, 1)
    assert commit(ledger, replies.take, [judged(reply())], LATER) == Taken(1, opened=1)
    assert commit(ledger, replies.take, [judged(reply()), judged(reply())], LATER) == Taken(0, repeated=2)
    row = only(ledger)
    assert list(look(ledger, replies.table).columns) == list(COLUMNS)
    assert (row["message_id"], row["loans"], row["notice"]) == (name_of(1), "L1", "due_day")
    assert (row["phone"], row["text"], row["state"]) == ("+120****0100", "", "open")
    (event,) = look(ledger, audit.show, kind="reply.taken").to_dict("records")
    assert event["subject"] == row["reply_id"]
    assert "hardship_zh" in event["data"]


def test_pushed_and_pulled_with_an_id_it_is_one_reply(ledger: Ledger) -> None:
    assert commit(ledger, replies.take, [judged(reply(reply_id="7"))], LATER).taken == 1
    assert commit(ledger, replies.take, [judged(reply(reply_id="7", minute=3))], LATER) == Taken(
        0, repeated=1
    )
    assert commit(ledger, replies.take, [judged(reply(reply_id="8"))], LATER).strangers == 1
    assert commit(ledger, replies.take, [judged(reply(minute=1)), judged(reply(minute=2))], LATER).taken == 2


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"message_id": name_of(1)}, 1),  # the provider's word
        ({"message_id": "\x00unreadable"}, 2),
        ({"message_id": "NOTOURS"}, 2),
        ({"phone": OTHER_PHONE}, 0),
        ({"minute": 60 * 24 * 31}, 0),  # too long ago to be answered
        ({"minute": -60 * 24 * 2}, 0),  # nobody answers before
    ],
)
@on_sqlite
def test_whom_a_reply_answers(ledger: Ledger, changes: dict[str, Any], found: int) -> None:
    told(ledger, 1)
    commit(ledger, intake.enqueue, "run", [draft(2, expires_at=LATER + timedelta(hours=9))], NOW)
    put_on_wire(ledger, now=NOW + timedelta(minutes=1))
    said = reply(**changes)
    commit(ledger, replies.take, [judged(said)], LATER)
    assert only(ledger)["message_id"] == (name_of(found) if found else "")


def test_an_opt_out_suppresses_and_cancels_what_waits(ledger: Ledger) -> None:
    told(ledger, 1)
    commit(ledger, intake.enqueue, "run", [draft(2), draft(3, phone=OTHER_PHONE)], NOW)
    done = commit(
        ledger, replies.take, [judged(reply("退订"), **EVERY, kind="opt_out", work_list=False)], LATER
    )
    assert done == Taken(1, stopped=1, cancelled=1)
    assert [state(ledger, name_of(number)) for number in (1, 2, 3)] == ["accepted", "cancelled", "queued"]
    (kept,) = look(ledger, stopping.table).to_dict("records")
    assert (kept["phone_hash"], kept["message_class"]) == (ledger.cipher.phone_hash(PHONE), "")
    assert (kept["source"], kept["reason"]) == ("reply:opt_out", "opt_out")
    assert only(ledger)["state"] == ""
    assert look(ledger, replies.table, ReplyFilter(open_only=True)).empty


def test_a_dispute_holds_demands_to_every_number_of_the_customer(ledger: Ledger) -> None:
    told(ledger, 1, customer_id="C9")
    collection = MessageClass.COLLECTION
    waiting = [
        draft(2, customer_id="C9", phone=OTHER_PHONE, message_class=collection),
        draft(3, customer_id="C9", phone=OTHER_PHONE),
        draft(4, message_class=collection),
        draft(5, phone=OTHER_PHONE, message_class=collection),
    ]
    commit(ledger, intake.enqueue, "run", waiting, NOW)
    done = commit(ledger, replies.take, [judged(reply(), **DISPUTE, kind="dispute")], LATER)
    assert (done.stopped, done.cancelled) == (1, 2)
    assert [state(ledger, name_of(number)) for number in (2, 3, 4, 5)] == [
        "cancelled",
        "queued",
        "cancelled",
        "queued",
    ]
    kept = look(ledger, holds.table)
    assert list(kept["customer_ref"]) == ["", ledger.cipher.customer_ref("C9")]
    assert set(kept["kind"]) == {"dispute"}
    assert set(kept["source"]) == {"reply:dispute"}
    assert look(ledger, stopping.table).empty


def test_a_strangers_dispute_is_about_the_number_alone(ledger: Ledger) -> None:
    assert commit(ledger, replies.take, [judged(reply(), **DISPUTE)], LATER) == Taken(
        1, opened=1, stopped=1, strangers=1
    )
    assert list(look(ledger, holds.table)["customer_ref"]) == [""]


@on_sqlite
def test_many_replies_are_taken_in_steps(ledger: Ledger) -> None:
    many = [judged(reply(minute=minute)) for minute in range(203)]
    assert commit(ledger, replies.take, many, LATER) == Taken(203, opened=203, strangers=203)
    assert commit(ledger, replies.take, [], LATER) == Taken(0)


def test_half_a_character_is_no_reason_to_lose_a_reply(ledger: Ledger) -> None:
    told(ledger, 1)
    odd = reply("stop \ud83d\x00" + "x" * 2_000, phone=f"{PHONE}\ud83d\x00", reply_id="r\ud83d")
    done = commit(ledger, replies.take, [judged(odd, **EVERY)], LATER)
    assert (done.taken, done.stopped, done.strangers) == (1, 1, 0)
    shown = commit(ledger, replies.reveal, ALL, "kim", "check", LATER)
    assert (shown["text"][0], shown["phone"][0]) == ("stop " + "x" * 2_000, PHONE)


def test_a_problem_in_odd_words_is_no_reason_to_lose_what_came(ledger: Ledger) -> None:
    body = "stop \ud83d\x00".encode("utf-8", "surrogatepass")
    assert commit(ledger, unread.keep, "gate", body, ["record 1: \ud83d\x00 is no number"], NOW)
    assert list(commit(ledger, unread.reveal, "kim", "new format", NOW).values()) == [body]


def test_the_work_list_is_filtered_revealed_and_worked_off(ledger: Ledger) -> None:
    commit(ledger, replies.take, [judged(reply(minute=1)), judged(reply("?", minute=9), kind="other")], LATER)
    late = LATER + timedelta(minutes=5)
    assert list(look(ledger, replies.table, ReplyFilter(since=late))["kind"]) == ["other"]
    assert list(look(ledger, replies.table, ReplyFilter(kind="hardship"))["kind"]) == ["hardship"]
    shown = commit(ledger, replies.reveal, ReplyFilter(kind="hardship"), "kim", "ticket 1", LATER)
    assert (shown["phone"][0], shown["text"][0]) == (PHONE, SECRET)
    assert shown["reply_id"][0] in look(ledger, audit.show, kind="reply.revealed")["data"][0]
    name = shown["reply_id"][0]
    commit(ledger, replies.close, name, "kim", f"called {PHONE}", LATER)
    (row,) = look(ledger, replies.table, ReplyFilter(reply_id=name)).to_dict("records")
    assert (row["state"], row["operator"], row["note"]) == ("closed", "kim", "called +120****0100")
    assert PHONE not in look(ledger, audit.show, kind="reply.closed")["data"][0]
    assert list(look(ledger, replies.table, ReplyFilter(open_only=True))["kind"]) == ["other"]
    with pytest.raises(LedgerError, match="not on the work list"):
        commit(ledger, replies.close, name, "kim", "again", LATER)
    with pytest.raises(LedgerError, match="there is none"):
        commit(ledger, replies.close, "nobody", "kim", "again", LATER)


def test_what_cannot_be_read_is_kept_as_it_came(ledger: Ledger) -> None:
    body = b"\xff\x00 mobile=12025550100"
    assert commit(ledger, unread.keep, "gate", body, ["record 3: no time", f"by {PHONE}"], NOW)
    assert not commit(ledger, unread.keep, "gate", body, [], LATER)
    assert list(commit(ledger, unread.reveal, "kim", "new format", NOW).values()) == [body]
    assert "new format" in look(ledger, audit.show, kind="return.revealed")["data"][0]
    assert [ailment.code for ailment in look(ledger, health.examine, NOW)] == ["unread_returns"]
    assert "2025550100" not in str(look(ledger, audit.show)["data"].tolist())


def test_what_has_been_looked_at_is_quiet_and_stays(ledger: Ledger) -> None:
    for body in (b"one", b"two", b"three"):
        commit(ledger, unread.keep, "gate", body, [], NOW)
    seen = [
        name for name, body in commit(ledger, unread.reveal, "kim", "look", NOW).items() if body != b"three"
    ]
    assert commit(ledger, unread.done, [*seen, "stranger"], "kim", f"called {PHONE}", LATER) == 2
    assert commit(ledger, unread.done, seen, "kim", "again", LATER) == 0
    assert list(commit(ledger, unread.reveal, "kim", "look", NOW).values()) == [b"three"]
    assert len(commit(ledger, unread.reveal, "kim", "look", NOW, everything=True)) == 3
    (event,) = look(ledger, audit.show, kind="return.done").to_dict("records")
    assert all(name in event["data"] for name in seen)
    assert PHONE not in event["data"]
    assert [ailment.place for ailment in look(ledger, health.examine, NOW)] == ["1 records"]
    assert not commit(ledger, unread.keep, "gate", b"one", [], LATER)
    commit(ledger, unread.done, list(commit(ledger, unread.reveal, "kim", "look", NOW)), "kim", "done", LATER)
    assert look(ledger, health.examine, NOW) == []


def test_the_place_of_the_last_question_is_kept_per_provider(ledger: Ledger) -> None:
    assert look(ledger, unknowns.last_asked, "gate") == ""
    for name in ("M1", "M2"):
        commit(ledger, unknowns.note_asked, "gate", name)
    commit(ledger, unknowns.note_asked, "other", "M9")
    assert (look(ledger, unknowns.last_asked, "gate"), look(ledger, unknowns.last_asked, "other")) == (
        "M2",
        "M9",
    )


@on_sqlite
def test_a_stranger_who_stops_messages_is_looked_at(ledger: Ledger) -> None:
    stop = judged(reply("TD"), **EVERY, kind="opt_out", work_list=False)
    assert commit(ledger, replies.take, [stop], LATER) == Taken(1, opened=1, stopped=1, strangers=1)
    assert (only(ledger)["state"], only(ledger)["action"]) == ("open", "work list, work list")
    told(ledger, 1, phone=OTHER_PHONE)
    mine = judged(reply("TD", phone=OTHER_PHONE), **EVERY, kind="opt_out", work_list=False)
    assert commit(ledger, replies.take, [mine], LATER) == Taken(1, stopped=1)


def test_purge_forgets_replies_but_not_the_work_list(ledger: Ledger) -> None:
    commit(ledger, replies.take, [judged(reply(), work_list=False), judged(reply(minute=1))], NOW)
    commit(ledger, unread.keep, "gate", b"?", [], NOW)
    assert wiping(ledger, upkeep.purge, NOW, LATER).replies == 0
    purged = wiping(ledger, upkeep.purge, NOW + timedelta(seconds=1), LATER)
    assert (purged.replies, purged.unread) == (1, 1)
    assert only(ledger)["state"] == "open"


def test_erasing_a_customer_reaches_their_replies(ledger: Ledger) -> None:
    told(ledger, 1)
    told(ledger, 2, phone=OTHER_PHONE)
    mine = [judged(reply()), judged(reply("由其他号码", phone="+12025550109", message_id=name_of(1)))]
    early = judged(reply("before any message", minute=-60 * 24 * 9))
    commit(ledger, replies.take, [*mine, early, judged(reply(phone=OTHER_PHONE))], LATER)
    for body in (b"mobile=2025550100", "12025550100".encode("utf-16"), b"mobile=2025550101"):
        commit(ledger, unread.keep, "gate", body, [], LATER)
    erased = wiping(ledger, upkeep.erase, "C1", "kim", LATER)
    assert (erased.messages, erased.replies, erased.unread) == (1, 3, 2)
    shown = commit(ledger, replies.reveal, ALL, "kim", "check", LATER)
    assert sorted(shown["phone"]) == ["(erased)", "(erased)", "(erased)", OTHER_PHONE]
    assert list(shown.loc[shown["text"] != "", "phone"]) == [OTHER_PHONE]
    assert list(shown.loc[shown["state"] == "open", "phone"]) == [OTHER_PHONE]
    assert list(commit(ledger, unread.reveal, "kim", "check", LATER).values()) == [b"mobile=2025550101"]
    assert ledger.verify_audit().ok
    assert wiping(ledger, upkeep.erase, "C1", "kim", LATER).replies == 2  # by customer; the numbers are gone


def test_replies_survive_a_new_key_a_backup_and_a_restore(
    ledger: Ledger, settings: LedgerSettings, tmp_path: Path
) -> None:
    commit(ledger, replies.take, [judged(reply())], LATER)
    commit(ledger, unread.keep, "gate", b"\x00body", [], LATER)
    assert upkeep.rotate_keys(ledger, "kim", LATER) == 2
    with Ledger.open(settings, tmp_path) as fresh:
        assert commit(fresh, replies.reveal, ALL, "kim", "check", LATER)["text"].tolist() == [SECRET]
        made = upkeep.write_backup(fresh, LATER)
        assert commit(fresh, replies.take, [judged(reply())], LATER).repeated == 1
    elsewhere = LedgerSettings(url="sqlite:///restored.db")
    upkeep.restore(elsewhere, tmp_path, made.path, LATER)
    with Ledger.open(elsewhere, tmp_path) as restored:
        assert commit(restored, replies.reveal, ALL, "kim", "check", LATER)["text"].tolist() == [SECRET]
        assert list(commit(restored, unread.reveal, "kim", "check", LATER).values()) == [b"\x00body"]


def test_a_missing_key_of_a_reply_is_an_ailment(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, replies.take, [judged(reply())], LATER)
    with sqlite_ledger.store.write() as connection:
        strange = bytes.fromhex("0011223344556677")
        connection.execute(sa.update(REPLIES).values(text_sealed=strange + b"sealed"))
    (ailment,) = look(sqlite_ledger, health.examine, NOW)
    assert (ailment.code, ailment.place) == ("key_missing", "key 0011223344556677")


def test_a_reply_in_the_file_names_nobody(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    commit(sqlite_ledger, replies.take, [judged(reply(), **EVERY)], LATER)
    sqlite_ledger.close()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("ledger.db*"))
    assert SECRET.encode() not in content
    assert PHONE.encode() not in content


class _Overtaken:
    """A connection on which another process stores the reply between our look and our insert."""

    def __init__(self, connection: sa.Connection) -> None:
        """Wrap a real one."""
        self._connection = connection

    def execute(self, statement: Any, *given: Any) -> Any:
        looks = isinstance(statement, sa.Select) and "replies.reply_id" in str(statement)
        return self._connection.execute(statement.where(sa.false()) if looks else statement, *given)

    def __getattr__(self, name: str) -> Any:
        """Everything else as it is."""
        return getattr(self._connection, name)


@contextmanager
def overtaken(ledger: Ledger) -> Iterator[Transaction]:
    with ledger.store.write() as connection:
        yield Transaction(cast("sa.Connection", _Overtaken(connection)), ledger.cipher)


def test_two_processes_that_take_the_same_reply_take_it_once(ledger: Ledger) -> None:
    commit(ledger, replies.take, [judged(reply(), **EVERY)], LATER)
    with overtaken(ledger) as tx:
        assert replies.take(tx, [judged(reply(), **EVERY)], LATER) == Taken(0, repeated=1)
    assert len(look(ledger, audit.show, kind="reply.taken")) == 1


def test_accepted_messages_without_a_receipt(ledger: Ledger) -> None:
    told(ledger, 1, 2)
    assert look(ledger, unknowns.accepted_ids, "gate", NOW, LATER) == [name_of(1), name_of(2)]
    assert look(ledger, unknowns.accepted_ids, "gate", NOW + timedelta(seconds=1), LATER) == []
    assert look(ledger, unknowns.accepted_ids, "other", NOW, LATER) == []
    (message,) = look(ledger, unknowns.accepted, [name_of(2), name_of(9)])
    assert (message.message_id, message.phone, message.provider_ref) == (
        name_of(2),
        PHONE,
        f"ref-{name_of(2)}",
    )
