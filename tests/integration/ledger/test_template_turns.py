"""Every wording that leaves is kept by version, in the transaction that queues the message it words."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carloan_notify.ledger import audit, intake, rewording, templates
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.messages.render import version_of
from carloan_notify.records import Channel, Draft, TemplateWording
from tests.integration.ledger.drafts import NOW, claim, draft, name_of
from tests.transactions import commit, look

PATH = "en/due_day.sms.j2"


def wording(text: str, path: str = PATH) -> TemplateWording:
    sources = {path.rpartition("/")[2]: text, "_parts.j2": "shared"}
    return TemplateWording(path, version_of(sources), "en", Channel.SMS, sources)


def worded(number: int, said: TemplateWording) -> Draft:
    plain = draft(number)
    rendered = replace(plain.rendered, template=said.template, template_version=said.version, wording=said)
    return replace(plain, rendered=rendered)


def uses(ledger: Ledger) -> list[tuple[int, str, str, str]]:
    """Each turn: its number, its own text, the first and the last run."""
    return [
        (turn.turn, turn.wording.sources["due_day.sms.j2"], turn.first_run, turn.last_run)
        for turn in look(ledger, templates.turns)
    ]


def test_a_wording_is_kept_with_the_first_message_and_changed_back_it_has_three_turns(ledger: Ledger) -> None:
    for night, text in enumerate(["one", "one", "two", "one"]):
        at = NOW + timedelta(days=night)
        commit(ledger, intake.enqueue, f"R{night}", [worded(night, wording(text))], at)
    assert uses(ledger) == [(1, "one", "R0", "R1"), (2, "two", "R2", "R2"), (3, "one", "R3", "R3")]
    events = look(ledger, audit.show, kind=templates.CHANGED)
    assert list(events["subject"]) == [PATH] * 3
    assert templates.sources_hash(wording("two")) in events["data"].iloc[1]
    assert ledger.verify_audit().ok


def test_what_is_not_queued_leaves_no_wording(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [worded(1, wording("one"))], NOW)
    known = replace(worded(2, wording("never left")), covers=draft(1).covers)
    commit(sqlite_ledger, intake.enqueue, "R2", [known, worded(3, wording("one"))], NOW)
    assert uses(sqlite_ledger) == [(1, "one", "R1", "R2")]


class UndoneError(Exception):
    """Ends a transaction so that nothing of it stays."""


def turns_of(ledger: Ledger, said: Sequence[str]) -> list[tuple[int, str]]:
    """Number and text of the turns that these nights make; nothing of them stays."""
    found: list[tuple[int, str]] = []
    with suppress(UndoneError), ledger.write() as tx:
        for number, text in enumerate(said):
            templates.keep(tx, f"R{number}", [wording(text)], NOW + timedelta(days=number))
        found = [(turn.turn, turn.wording.sources["due_day.sms.j2"]) for turn in templates.turns(tx)]
        raise UndoneError
    return found


def test_nothing_is_kept_of_a_transaction_that_breaks(sqlite_ledger: Ledger) -> None:
    assert turns_of(sqlite_ledger, "ab") == [(1, "a"), (2, "b")]
    assert uses(sqlite_ledger) == []


def test_words_that_replace_others_are_kept_too(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [worded(1, wording("one"))], NOW)
    claim(sqlite_ledger)
    change = rewording.Reworded(name_of(1), worded(1, wording("two")))
    commit(sqlite_ledger, rewording.reword, [change], NOW + timedelta(hours=1))
    assert uses(sqlite_ledger) == [(1, "one", "R1", "R1"), (2, "two", "R1", "R1")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from("abc"), max_size=8))
def test_turns_are_the_runs_of_equal_wordings(sqlite_ledger: Ledger, said: Sequence[str]) -> None:
    """The plain twin: equal neighbours together."""
    assert turns_of(sqlite_ledger, said) == list(enumerate((text for text, _ in groupby(said)), start=1))
