"""The nine commands that may crash at any of their points, each as it usually runs, then as it runs on worse days.

`SCENARIOS` are the usual ones. `WORSE` pass the points that only trouble leads to; together they pass every site of
`crash_sites`, which a test holds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.app import build_app
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.ledger import certificates, intake, outbox, upkeep
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.tables import LOTS, MESSAGE_KEYS, MESSAGES, WHOLE
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.records import Channel
from tests.integration.ledger.drafts import NOW
from tests.integration.ledger.test_restored import wipe
from tests.integration.reliability.crashing import AGAIN, BELIEVED, OK, Command, Scenario
from tests.integration.reliability.world import AFTER_LEASE, World, make_world, queued, sending
from tests.transactions import commit

MESSAGES_WAITING: Final = 4
NIGHT: Final = NOW - timedelta(hours=8)
FAILED: Final = frozenset({1})
MAYBE: Final = OK | FAILED
STOPPED: Final = frozenset({2})
ERASED: Final = ("C0", "C1")
LATER: Final = NOW + timedelta(hours=1)
"""When providers that hand nothing out are asked what became of messages."""
NOBODY: Final = "nobody"
REOPENED: Final = "AD2026000001"


@contextmanager
def _ledger(world: World) -> Iterator[Ledger]:
    with build_app(world.folder / "config.yaml", NOW).open_ledger() as ledger:
        yield ledger


def _die_with(world: World, claimed: int, on_wire: int) -> None:
    """What a sender leaves behind that held so many messages, some of them on the wire."""
    channels = [Channel.SMS]
    with _ledger(world) as ledger:
        held = commit(
            ledger, outbox.claim, channels=channels, limit=claimed, owner=NOBODY, now=NOW, lease_s=1.0
        )
        ids = [message.message_id for message in held[:on_wire]]
        commit(ledger, outbox.begin, ids, "sim", NOW, owner=NOBODY, lease_s=1.0)


# run


def _run(world: World, url: str) -> Command:
    _folder(world, url)
    return ("run", "--as-of", "2026-11-23", "--now", NIGHT.isoformat())


def _folder(world: World, url: str) -> None:
    init_folder(world.folder)
    world.configure(ledger_url=url, batch_limit=10)
    calls = simulator_settings(world.simulator.url, Channel.VOICE)
    world.change(lambda values: _calls_too(values, calls))


def _calls_too(values: dict[str, Any], calls: dict[str, Any]) -> None:
    values["delivery"]["channels"]["voice"] = ["calls"]
    values["delivery"]["providers"]["calls"] = calls


def _few(world: World) -> None:
    """Of the sample only loans with eight messages, a call among them, and some without."""
    kept = {f"AD20260000{number:02d}" for number in (1, 2, 3, 7, 8, 9, 13, *range(29, 41))}
    for name in ("loans", "payments", "changes", "events"):
        path = world.folder / "export" / f"{name}.csv"
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text(head + "".join(row for row in rows if kept & set(row.split(","))), encoding="utf-8")


def _run_accepting(world: World, url: str) -> Command:
    """The ledger is lost after nights of which nothing waited; an operator lets a new one plan."""
    usual = _run(world, url)
    _few(world)
    app = build_app(world.folder / "config.yaml", NIGHT)
    with app.open_ledger(create=True) as ledger:
        ledger.write_digest("", NIGHT - timedelta(hours=1))
    _lose(world)
    return (*usual, "--accept", "ledger_restored", "--reason", "nothing had left")


def _run_by_day(world: World, url: str) -> Command:
    """The same business date once more when messages may leave, after a sender died with some in its hand."""
    usual = _run(world, url)
    _few(world)
    assert world.carloan(*usual).code == 0
    world.change(_one_at_a_time)
    _die_with(world, claimed=5, on_wire=1)
    return (*usual[:-1], (NOW + AGAIN).isoformat())


def _one_at_a_time(values: dict[str, Any]) -> None:
    for provider in values["delivery"]["providers"].values():
        provider["concurrency"] = 1


def _run_in_vain(world: World, url: str) -> Command:
    """A table is not there."""
    usual = _run(world, url)
    _few(world)
    (world.folder / "export" / "loans.csv").rename(world.folder / "loans.csv")
    return usual


def _run_reopened(world: World, url: str) -> Command:
    """A loan that had its certificate is open again."""
    usual = _run(world, url)
    _few(world)
    loans = world.folder / "export" / "loans.csv"
    as_it_was = loans.read_text(encoding="utf-8")
    rows = [
        row.replace(",active,", ",settled,") if REOPENED in row else row for row in as_it_was.splitlines()
    ]
    loans.write_text("\n".join(rows), encoding="utf-8")
    assert (
        world.carloan("certificate", REOPENED, "--as-of", "2026-11-23", "--now", NIGHT.isoformat()).code == 0
    )
    loans.write_text(as_it_was, encoding="utf-8")
    return usual


def _is_void(world: World) -> bool:
    """Whether its certificate is void, and its file gone."""
    with _ledger(world) as ledger, ledger.read() as tx:
        (one,) = certificates.latest(tx, [REOPENED])
    return one.state == certificates.VOID and not list((world.folder / "certificates").glob(f"{one.code}.*"))


def _bring_the_table(world: World, now: datetime) -> None:
    (world.folder / "loans.csv").rename(world.folder / "export" / "loans.csv")
    assert world.carloan("run", "--as-of", "2026-11-23", "--now", now.isoformat()).code == 0


# send


def _waiting(world: World, url: str) -> None:
    make_world(world.folder, world.simulator, MESSAGES_WAITING, ledger_url=url, provider={"concurrency": 1})


def _send(world: World, url: str) -> Command:
    _waiting(world, url)
    return sending(NOW)


def _send_late(world: World, url: str) -> Command:
    """One is over, one about to be, one has a later stage; a sender died with one in its hand and one on the wire."""
    make_world(world.folder, world.simulator, 2, ledger_url=url, provider={"concurrency": 1})
    _die_with(world, claimed=2, on_wire=1)
    now = NOW + AFTER_LEASE
    ends = {2: now, 3: now + timedelta(seconds=50)}
    with _ledger(world) as ledger:
        late = [replace(queued(number), expires_at=end) for number, end in ends.items()]
        early = replace(queued(4), notice="overdue_1")
        (cover,) = early.covers
        later = replace(queued(5), notice="overdue_3", covers=(replace(cover, idempotency_key="stage-3"),))
        commit(ledger, intake.enqueue, "R1", [*late, later], NOW)
        commit(ledger, intake.enqueue, "R0", [early], NOW - timedelta(days=2))
    return sending(now)


def _send_changed(world: World, url: str) -> Command:
    """Since the night one has paid, one has paid a part, and what one has paid can no longer be read."""
    usual = _run(world, url)
    _few(world)
    assert world.carloan(*usual).code == 0
    world.change(_one_at_a_time)
    query = (
        sa.select(MESSAGE_KEYS.c.loan_id)
        .join(WHOLE, WHOLE.c.message_no == MESSAGE_KEYS.c.message_no)
        .where(WHOLE.c.until_paid, WHOLE.c.notice == "due_today", WHOLE.c.channel == "sms")
    )
    with _ledger(world) as ledger, ledger.store.read() as connection:
        paid, partly, unclear = connection.execute(query.order_by(MESSAGE_KEYS.c.loan_id).limit(3)).scalars()
    with (world.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(
            f"P-1,{paid},2026-11-23,999999.00\nP-2,{partly},2026-11-23,5.00\nP-3,{unclear},2026-11-23,much\n"
        )
    return sending(NOW)


# receipts pull, reconcile


def _sent(world: World, url: str) -> None:
    _waiting(world, url)
    world.send(NOW)


def _pull(world: World, url: str) -> Command:
    _sent(world, url)
    return ("receipts", "pull", "--now", (NOW + AGAIN).isoformat())


def _pull_all_sorts(world: World, url: str) -> Command:
    """One provider must be asked about each message; another hands out a reply, and a receipt that nobody can read."""
    _sent(world, url)
    portal = simulator_settings(world.simulator.url, Channel.VOICE)
    portal["replies"] = {
        "request": {"method": "GET", "url": f"{world.simulator.url}/receipts"},
        "items": "replies",
        "phone": "phone",
        "text": "text",
        "id": "id",
    }
    world.change(lambda values: _ask_instead(values, portal))
    reply = {"id": "7", "phone": "+12025550100", "text": "STOP"}
    page: dict[str, Any] = {"receipts": [{"state": "delivered"}], "replies": [reply], "more": False}
    world.simulator.gateway.receipts = lambda cursor: page  # type: ignore[method-assign] # noqa: ARG005 - as it is called
    return ("receipts", "pull", "--now", LATER.isoformat())


def _ask_instead(values: dict[str, Any], portal: dict[str, Any]) -> None:
    del values["delivery"]["providers"]["sim"]["receipts"]
    values["delivery"]["providers"]["portal"] = portal


def _reconcile(world: World, url: str) -> Command:
    _sent(world, url)
    return ("reconcile", "--now", (NOW + BELIEVED).isoformat())


def _reconcile_after_a_crash(world: World, url: str) -> Command:
    """A sender died with all on the wire, and nobody has sent since."""
    _waiting(world, url)
    _die_with(world, claimed=MESSAGES_WAITING, on_wire=MESSAGES_WAITING)
    return ("reconcile", "--now", (NOW + BELIEVED).isoformat())


def _mark(world: World, url: str) -> Command:
    """An operator has looked into the portal."""
    _sent(world, url)
    at = ("--now", (NOW + BELIEVED).isoformat())
    return ("reconcile", "--mark", "sent", min(world.states()), "--reason", "seen in the portal", *at)


# resend


def prepare_resend(world: World, url: str) -> Command:
    """A night that was sent, and the command that sends one of its texts again."""
    assert world.carloan(*_run(world, url)).code == 0
    assert world.send(NOW).code == 0
    query = sa.select(MESSAGES.c.message_id).where(
        MESSAGES.c.state == "accepted", MESSAGES.c.channel == "sms"
    )
    with _ledger(world) as ledger, ledger.store.read() as connection:
        message_id = connection.execute(query.order_by(MESSAGES.c.message_id)).scalars().first()
    at = ("--now", (NOW + AGAIN).isoformat())
    return ("resend", "--message", str(message_id), "--reason", "lost", "--yes", *at)


# purge, rotate-keys, backup, restore


def _purge(world: World, url: str) -> Command:
    """What was told long ago: a clock of `purge` cannot be set."""
    _sent(world, url)
    with _ledger(world) as ledger, ledger.store.write() as connection:
        connection.execute(sa.update(LOTS).values(queued_at="2001-01-01T00:00:00.000000Z"))
    return ("ledger", "purge", "--older-than", "1", "--yes")


def _upkeep(*args: str) -> Callable[[World, str], Command]:
    def prepare(world: World, url: str) -> Command:
        _waiting(world, url)
        return ("ledger", *args)

    return prepare


def _rotate_links(world: World, url: str) -> Command:
    """Started again it makes one more key: every earlier one is still believed."""
    _waiting(world, url)
    return ("links", "rotate")


def _first_links_are_alive(world: World) -> bool:
    """Whether the key that was there in the beginning is still believed."""
    keys = build_app(world.folder / "config.yaml", NOW).link_keys()
    return len(keys.earlier) >= 1 and keys.current not in keys.earlier


def _backup_the_second(world: World, url: str) -> Command:
    """There is room for one."""
    _waiting(world, url)
    world.change(lambda values: values["ledger"].update(keep_backups=1))
    assert world.carloan("ledger", "backup").code == 0
    return ("ledger", "backup")


def _restore(world: World, url: str) -> Command:
    _waiting(world, url)
    assert world.carloan("ledger", "backup", "--to", "kept").code == 0
    world.send(NOW)
    assert world.carloan("ledger", "erase", "--customer", ERASED[0], "--yes").code == 0
    _lose(world)
    (backup,) = (world.folder / "kept").glob("*.backup")
    return ("ledger", "restore", str(backup))


def _restore_again(world: World, url: str) -> Command:
    """It is there already; of one more customer, `erase` had come no further than to the note beside the digests."""
    usual = _restore(world, url)
    assert world.carloan(*usual).code == 0
    with _ledger(world) as ledger:
        upkeep.keep_erasure(ledger.places, ledger.cipher, ERASED[1], datetime.now(NOW.tzinfo))
    return usual


def _are_erased(*customers: str) -> Callable[[World], bool]:
    """Whether who was erased after the backup is erased from what was put back."""

    def holds(world: World) -> bool:
        with _ledger(world) as ledger, ledger.read() as tx:
            mine = WHOLE.c.customer_ref.in_([ledger.cipher.customer_ref(each) for each in customers])
            found = tx.connection.execute(sa.select(WHOLE.c.content_sealed).where(mine)).scalars()
            return list(found) == [b""] * len(customers)

    return holds


def _lose(world: World) -> None:
    wipe(build_app(world.folder / "config.yaml", NOW).settings.ledger, world.folder)


SCENARIOS: Final = (
    Scenario("run", _run, begins=NIGHT),
    Scenario("send", _send),
    Scenario("receipts pull", _pull),
    Scenario("reconcile", _reconcile, begins=NOW + BELIEVED, faults=Faults(dropped_after=1)),
    Scenario("resend", prepare_resend, again=MAYBE),  # 1: the repetition waits already
    Scenario("purge", _purge),
    Scenario("rotate-keys", _upkeep("rotate-keys", "--yes")),
    Scenario("backup", _upkeep("backup")),
    Scenario("restore", _restore, holds=_are_erased(ERASED[0])),
)
WORSE: Final = (
    Scenario("links rotate", _rotate_links, holds=_first_links_are_alive),
    Scenario("run, ledger made anew", _run_accepting, begins=NIGHT, breaches=frozenset({"rolled_back"})),
    Scenario("run, loan open again", _run_reopened, begins=NIGHT, holds=_is_void),
    Scenario("run, by day", _run_by_day, begins=NOW + AGAIN, fewer=6),
    Scenario(
        "run, no loans", _run_in_vain, begins=NIGHT, ends=STOPPED, again=STOPPED, after=_bring_the_table
    ),
    Scenario("send, account empty", _send, faults=Faults(balance=2), ends=FAILED),
    Scenario("send, late", _send_late, begins=NOW + AFTER_LEASE, ends=FAILED, again=MAYBE, over=1),
    Scenario("send, tables changed", _send_changed, ends=FAILED, again=MAYBE, drained=MAYBE, over=1, fewer=6),
    Scenario(
        "receipts pull, all sorts", _pull_all_sorts, begins=LATER, ends=FAILED, again=FAILED, drained=MAYBE
    ),
    Scenario("reconcile, sender dead", _reconcile_after_a_crash, begins=NOW + BELIEVED),
    Scenario(
        "reconcile --mark",
        _mark,
        begins=NOW + BELIEVED,
        faults=Faults(dropped_after=1),
        again=OK | STOPPED,  # 2: it is marked already
    ),
    Scenario("backup, room for one", _backup_the_second),
    Scenario("restore, again", _restore_again, holds=_are_erased(*ERASED)),
)
