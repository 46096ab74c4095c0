"""Promises on disk: said twice they are one, each step is audited, and forgetting leaves no words."""

from datetime import date, timedelta

import pytest

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, promises, upkeep
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.promises import PromiseFilter, PromiseOutcome, Proposal, Terms
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.promise_codes import PromiseState
from tests.integration.ledger.drafts import NOW
from tests.transactions import commit, look, wiping

TODAY = date(2026, 11, 23)
SAID = Proposal("L1", TODAY, date(2026, 11, 25), 500, everything=False, source="clerk")
BY = ("clerk-1", HoldsSettings())


def proposed(ledger: Ledger) -> str:
    name, _ = commit(ledger, promises.propose, SAID, NOW)
    return name


def opened(ledger: Ledger) -> str:
    name = proposed(ledger)
    ref = ledger.cipher.customer_ref("C1")
    terms = Terms("L1", date(2026, 11, 25), date(2026, 11, 26), 500, 100, "M1", 0, 900, ref)
    commit(ledger, promises.confirm, name, terms, BY, NOW)
    return name


def state(ledger: Ledger, name: str) -> str:
    return str(look(ledger, promises.listed, PromiseFilter(promise_id=name))[0]["state"])


def kinds(ledger: Ledger, name: str) -> list[str]:
    rows = look(ledger, audit.show, mentions=name)
    return [kind for kind, subject in zip(rows["kind"], rows["subject"], strict=True) if subject == name]


def test_what_is_said_twice_is_one(ledger: Ledger) -> None:
    assert commit(ledger, promises.propose, SAID, NOW)[1]
    assert not commit(ledger, promises.propose, SAID, NOW + timedelta(hours=1))[1]
    assert kinds(ledger, proposed(ledger)) == ["promise.proposed"]


def test_each_step_is_audited_and_none_is_taken_twice(ledger: Ledger) -> None:
    name = opened(ledger)
    with pytest.raises(LedgerError, match="it is open, not proposed"):
        commit(ledger, promises.reject, name, "clerk-1", "no", NOW)
    commit(ledger, promises.withdraw, name, "clerk-1", "call 138 0013 8000", NOW)
    with pytest.raises(LedgerError, match="it is withdrawn, not open"):
        commit(ledger, promises.withdraw, name, "clerk-1", "again", NOW)
    with pytest.raises(LedgerError, match="there is none"):
        commit(ledger, promises.withdraw, "nobody", "clerk-1", "x", NOW)
    assert kinds(ledger, name) == ["promise.proposed", "promise.confirmed", "promise.withdrawn"]
    assert "13800138000" not in str(look(ledger, promises.listed, PromiseFilter()))


def test_a_night_decides_once_and_revises_only_what_is_as_it_thought(ledger: Ledger) -> None:
    name = opened(ledger)
    broken = PromiseOutcome(name, PromiseState.OPEN, PromiseState.BROKEN, 0)
    assert commit(ledger, promises.decide, [broken], TODAY, "run", NOW) == 1
    assert commit(ledger, promises.decide, [broken], TODAY, "run", NOW) == 0
    kept = PromiseOutcome(name, PromiseState.BROKEN, PromiseState.KEPT, 500)
    assert commit(ledger, promises.decide, [kept], TODAY, "run", NOW) == 1
    assert state(ledger, name) == PromiseState.KEPT
    assert kinds(ledger, name)[-2:] == ["promise.decided", "promise.revised"]


def test_forgetting_takes_notes_and_what_is_done_with(ledger: Ledger) -> None:
    name = opened(ledger)
    wiping(ledger, upkeep.purge, NOW + timedelta(days=1), NOW + timedelta(days=1))
    assert state(ledger, name) == PromiseState.OPEN
    commit(ledger, promises.withdraw, name, "clerk-1", "his sister called", NOW)
    wiping(ledger, upkeep.erase, "C1", "clerk-1", NOW)
    assert look(ledger, promises.listed, PromiseFilter())[0]["note"] == ""
    wiping(ledger, upkeep.purge, NOW + timedelta(days=1), NOW + timedelta(days=1))
    assert look(ledger, promises.listed, PromiseFilter()) == []
