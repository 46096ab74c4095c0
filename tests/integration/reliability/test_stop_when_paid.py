"""What is paid between the night and the moment a message leaves is not chased, wherever the tables lie."""

import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from carloan_notify.app import build_app
from carloan_notify.errors import SourceError
from carloan_notify.frames import FINDINGS, empty
from carloan_notify.ledger import outbox
from carloan_notify.pipeline.last_look import NOWHERE, LastLook
from carloan_notify.pipeline.planned import Planned
from carloan_notify.pipeline.portfolio import (
    CurrentTables,
    Portfolio,
    read_context,
    same_content,
    table_stamps,
)
from carloan_notify.pipeline.reading import on_day
from carloan_notify.pipeline.send import send_due
from carloan_notify.records import Channel
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.some_rows import LoanRows
from tests.integration.reliability.lender_database import (
    AS_OF,
    MORNING,
    NIGHT,
    LenderDatabase,
    lender_world,
)
from tests.integration.reliability.world import World
from tests.transactions import commit

LOANS = 12
MORNING_AT = datetime.fromisoformat(MORNING)


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("mariadb", marks=pytest.mark.needs_mariadb)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'lender.db'}"
    elif request.param == "postgresql":
        yield request.getfixturevalue("fresh_postgres")
    else:
        server = sa.make_url(request.getfixturevalue("mariadb_url"))
        name = f"test_{uuid4().hex}"
        with sa.create_engine(server).connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def database(url: str) -> LenderDatabase:
    return LenderDatabase(url, LOANS)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> LenderDatabase:
    return LenderDatabase(f"sqlite:///{tmp_path / 'lender.db'}", LOANS)


@pytest.fixture
def sqlite_world(sqlite_database: LenderDatabase, tmp_path: Path) -> Iterator[World]:
    with lender_world(tmp_path / "lender", sqlite_database) as made:
        yield made


def at_night(world: World) -> int:
    """Plan and queue; how many messages wait."""
    done = world.carloan("run", "--as-of", str(AS_OF), "--now", NIGHT, "--format", "json")
    assert done.code == 0, done.err
    return int(json.loads(done.out)["queued"])


def in_the_morning(world: World, now: str = MORNING, code: int = 0) -> dict[str, Any]:
    done = world.carloan("send", "--now", now, "--format", "json")
    assert done.code == code, done.err
    figures: dict[str, Any] = json.loads(done.out) if done.out else {}
    return figures


def cancelled(world: World) -> dict[str, str]:
    """Loan → why its message was cancelled."""
    rows = json.loads(world.carloan("ledger", "messages", "--format", "json").out)
    return {row["loans"]: row["code"] for row in rows if row["state"] == "cancelled"}


def held(world: World) -> dict[str, str]:
    """Loan → why its message waits."""
    rows = json.loads(world.carloan("ledger", "messages", "--format", "json").out)
    return {row["loans"]: row["code"] for row in rows if row["state"] == "queued"}


def test_a_database_is_asked_again_before_a_batch_leaves(database: LenderDatabase, tmp_path: Path) -> None:
    with lender_world(tmp_path / "lender", database) as world:
        assert at_night(world) == LOANS
        database.pay([2, 5])
        figures = in_the_morning(world)
        assert (figures["accepted"], figures["cancelled"]) == (LOANS - 2, 2)
        assert cancelled(world) == {"2": "paid", "5": "paid"}


def test_a_payment_that_comes_while_messages_leave_stops_the_rest(tmp_path: Path) -> None:
    database = LenderDatabase(f"sqlite:///{tmp_path / 'lender.db'}", 30)
    with lender_world(
        tmp_path / "lender", database, provider={"concurrency": 1, "rate_per_second": 15}
    ) as world:
        world.change(lambda values: values["guards"].update(max_paid_share=1))
        assert at_night(world) == 30
        app = build_app(world.folder / "config.yaml", MORNING_AT)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_due, app)
            while not world.simulator.gateway.stats()["accepted"]:
                time.sleep(0.005)
            database.pay(range(1, 31))
            summary = sending.result(60).summary
        # What was on the wire or looked at a moment ago has left; that is a fraction of a second's worth.
        assert summary.accepted < 20
        assert summary.accepted + summary.cancelled == 30


@pytest.mark.parametrize("id_type", [sa.String(20), sa.CHAR(20)], ids=["text", "padded"])
def test_ids_that_are_texts(fresh_postgres: str, tmp_path: Path, id_type: sa.String) -> None:
    database = LenderDatabase(fresh_postgres, LOANS, id_type)
    with lender_world(tmp_path / "lender", database) as world:
        at_night(world)
        database.pay([1])
        assert in_the_morning(world)["cancelled"] == 1


def test_payments_of_the_days_since_the_business_date_count(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    sqlite_database.pay([3], paid_on=date(2026, 11, 25))
    for now, owing in ((MORNING_AT, {"3", "4"}), (MORNING_AT + timedelta(days=2), {"4"})):
        app = build_app(sqlite_world.folder / "config.yaml", now)
        tables = CurrentTables(app, AS_OF)
        whole = Portfolio(AS_OF, tables.sources(["3", "4"]), NOWHERE, empty(FINDINGS))
        tables.close()
        found = on_day(app, whole, app.business_date(), ["3", "4"])
        dues = found.standing.dues
        overdue = dues[dues["original_due_on"].dt.date == AS_OF]
        assert (set(overdue["loan_id"]), found.incomplete_loans) == (owing, frozenset())


def test_only_the_wanted_rows_are_read(database: LenderDatabase, tmp_path: Path) -> None:
    database.pay([1, 2, 2, 3])
    with lender_world(tmp_path / "lender", database) as world:
        context = read_context(build_app(world.folder / "config.yaml", MORNING_AT), AS_OF)
    rows = LoanRows("payments", TableSettings.model_validate(database.source("payments")), context)
    assert rows.read(["2"]).frame["loan_id"].tolist() == ["2", "2"]
    assert rows.read(["1", "3", "99"]).rows_read == 2
    assert rows.read([]).rows_read == 0
    rows.close()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"url": "sqlite:///nowhere/lender.db"}, "payments: sqlite:///nowhere/lender.db: "),
        ({"query": "SELECT amount FROM payments"}, "payments: column 'loan_id' is missing"),
        ({"query": "DELETE FROM payments"}, "check `url`, `query`"),
    ],
)
def test_a_query_that_cannot_be_asked_for_some_loans_says_so(
    sqlite_world: World, sqlite_database: LenderDatabase, broken: dict[str, str], said: str
) -> None:
    context = read_context(build_app(sqlite_world.folder / "config.yaml", MORNING_AT), AS_OF)
    settings = {**sqlite_database.source("payments"), **broken}
    rows = LoanRows("payments", TableSettings.model_validate(settings), context)
    with pytest.raises(SourceError, match=re.escape(said)):
        rows.read(["1"])


def test_a_database_that_does_not_answer_stops_the_sending(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    at_night(sqlite_world)
    sqlite_database.execute("DROP TABLE payments")
    in_the_morning(sqlite_world, code=2)
    assert sqlite_world.simulator.gateway.stats()["accepted"] == 0
    assert set(sqlite_world.states().values()) == {"queued"}


def test_a_loan_that_is_gone_or_unreadable_is_left_alone(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    at_night(sqlite_world)
    sqlite_database.execute("DELETE FROM loans WHERE loan_id = 4")
    sqlite_database.execute("INSERT INTO payments (loan_id, paid_on, amount) VALUES (7, 'soon', 1000)")
    assert in_the_morning(sqlite_world, code=1)["held"] == 2
    assert held(sqlite_world) == {"4": "standing_unclear", "7": "standing_unclear"}


def test_an_export_that_says_that_everybody_paid_is_not_believed(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    at_night(sqlite_world)
    sqlite_database.pay(range(1, LOANS + 1))
    figures = in_the_morning(sqlite_world, code=1)
    assert (figures["accepted"], figures["cancelled"], figures["held"]) == (0, 0, LOANS)
    assert set(held(sqlite_world).values()) == {"export_doubted"}
    sqlite_database.execute("DELETE FROM payments WHERE loan_id > 2")
    figures = in_the_morning(sqlite_world, "2026-11-23T10:05:00+08:00")
    assert (figures["accepted"], figures["cancelled"], figures["held"]) == (LOANS - 2, 2, 0)


def test_people_are_asked_for_too(database: LenderDatabase, tmp_path: Path) -> None:
    """Contacts by customer or by loan; what they say of others, and twice, is no matter."""
    with lender_world(tmp_path / "lender", database) as world:
        contacts = {
            "url": database.url,
            "query": "SELECT *, '' AS name, '' AS phone FROM contacts",
        }
        world.change(lambda values: values["sources"].update(contacts=contacts))
        columns = (
            "customer_id VARCHAR(9), loan_id VARCHAR(9), role VARCHAR(9), opt_out VARCHAR(9), do_not_contact"
        )
        database.execute(f"CREATE TABLE contacts ({columns} VARCHAR(9))")
        assert at_night(world) == LOANS
        rows = "('C3', '', 'borrower', '', 'yes'), ('C5', '5', 'borrower', 'service', '')"
        database.execute(f"INSERT INTO contacts VALUES {rows}, ('C99', '', 'borrower', '', 'yes')")  # noqa: S608
        figures = in_the_morning(world)
        assert (figures["accepted"], figures["cancelled"]) == (LOANS - 2, 2)
        assert cancelled(world) == {"3": "refused", "5": "refused"}


def test_an_export_in_which_everybody_moved_is_not_believed(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    at_night(sqlite_world)
    sqlite_database.execute("UPDATE loans SET phone = substr(phone, 1, 9) || '77'")
    figures = in_the_morning(sqlite_world, code=1)
    assert (figures["accepted"], figures["cancelled"], figures["held"]) == (0, 0, LOANS)
    assert set(held(sqlite_world).values()) == {"export_doubted"}


def payments_file(world: World, database: LenderDatabase) -> Path:
    """Take the payments from a file instead, the loans still from the database."""
    path = world.folder / "export" / "payments.csv"
    path.write_text("payment_id,loan_id,paid_on,amount\n", encoding="utf-8")
    sources = {"loans": database.source("loans"), "payments": {"path": "export/payments.csv"}}
    world.change(lambda values: values.update(sources=sources))
    return path


def test_a_file_beside_a_database(sqlite_world: World, sqlite_database: LenderDatabase) -> None:
    path = payments_file(sqlite_world, sqlite_database)
    assert at_night(sqlite_world) == LOANS
    with path.open("a", encoding="utf-8") as file:
        file.write("1,6,2026-11-23,1000\n")
    sqlite_database.execute("DELETE FROM loans WHERE loan_id = 8")
    figures = in_the_morning(sqlite_world, code=1)
    assert (figures["cancelled"], figures["held"]) == (1, 1)
    assert cancelled(sqlite_world) == {"6": "paid"}
    assert held(sqlite_world) == {"8": "standing_unclear"}


def test_a_files_content_decides_not_its_time(sqlite_world: World, sqlite_database: LenderDatabase) -> None:
    path = payments_file(sqlite_world, sqlite_database)
    path.write_text("payment_id,loan_id,paid_on,amount\n1,6,2026-10-23,1\n", encoding="utf-8")
    app = build_app(sqlite_world.folder / "config.yaml", MORNING_AT)
    first = table_stamps(app, AS_OF, {})
    assert table_stamps(app, AS_OF, first) == first

    os.utime(path, (1, 1))
    touched = table_stamps(app, AS_OF, first)
    assert touched != first
    assert same_content(touched, first)

    status = path.stat()
    path.write_text("payment_id,loan_id,paid_on,amount\n1,7,2026-10-23,1\n", encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    rewritten = table_stamps(app, AS_OF, touched)
    assert path.stat().st_size == status.st_size
    assert not same_content(rewritten, touched)

    path.unlink()
    assert not same_content(table_stamps(app, AS_OF, rewritten), rewritten)
    assert not same_content(first, {})


def test_a_look_holds_while_asking_again_would_cost_too_much(
    sqlite_world: World, sqlite_database: LenderDatabase
) -> None:
    """The clock ticks a second whenever it is read, so a look takes one second and holds for nine more."""
    at_night(sqlite_world)
    ticks = count()
    app = build_app(sqlite_world.folder / "config.yaml", MORNING_AT)
    with app.open_ledger() as ledger:
        watch = LastLook(app, ledger, Planned(AS_OF), monotonic=lambda: float(next(ticks)))
        claimed = commit(
            ledger, outbox.claim, channels=[Channel.SMS], limit=LOANS, owner="me", now=MORNING_AT, lease_s=60
        )
        watch.expect(claimed)
        assert watch.screen(claimed[:1]).to_send == claimed[:1]
        sqlite_database.pay(range(1, LOANS + 1))
        outcomes = [bool(watch.screen([message]).cancelled) for message in claimed[1:]]
        watch.close()
    assert outcomes == sorted(outcomes)
    assert 0 < sum(not paid for paid in outcomes) < 10
