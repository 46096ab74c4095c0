"""Holds: what each keeps back, from whom, until when; held against ifs."""

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify import frames
from carloan_notify.hold_codes import HoldReason, Then, Whom
from carloan_notify.notices.hold_settings import DEFAULT_HOLDS, HoldRule, HoldsSettings
from carloan_notify.notices.holds import HOLDS, REASON_OF, held
from carloan_notify.records import Channel, MessageClass

Row = dict[str, Any]
TODAY = date(2026, 11, 23)
NOTICE = ("loan_id", "customer_id", "phone_hash", "notice", "channel", "role", "message_class", "holds")

some = st.sampled_from
notices = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": some(["L1", "L2"]),
            "customer_id": some(["C1", "C2", ""]),
            "phone_hash": some(["H1", "H2", ""]),
            "notice": some(["overdue_1", "credit_bureau_notice"]),
            "channel": some(["sms", "voice"]),
            "role": some(["borrower", "guarantor"]),
            "message_class": some(["service", "collection", "marketing"]),
            "holds": some(
                ["", "hardship", "pause:2026-11-22,dispute", "~lawyer", "promise:2026-11-23", "~bankruptcy"]
            ),
        }
    ),
    min_size=1,
    max_size=6,
)
set_holds = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": some(["L1", "", ""]),
            "customer_id": some(["C1", "", ""]),
            "phone_hash": some(["H1", "", ""]),
            "message_class": some(["", "", "collection"]),
            "kind": some([kind.value for kind in REASON_OF]),
            "until": st.none() | st.integers(-2, 2).map(lambda days: TODAY + timedelta(days=days)),
        }
    ),
    max_size=4,
)
rules = st.builds(
    HoldRule,
    classes=st.lists(some(MessageClass), max_size=3).map(tuple),
    channels=st.lists(some(Channel), max_size=1).map(tuple),
    whom=some(Whom),
    statutory=st.booleans(),
    then=some(Then),
)
lender_own = st.dictionaries(some([kind.value for kind in REASON_OF]), rules, max_size=4).map(
    lambda given: HoldsSettings(**given)
)


def reached(notice: Row, rule: HoldRule, settings: HoldsSettings) -> bool:
    by_channel = not rule.channels or notice["channel"] in rule.channels
    spared = rule.statutory and notice["notice"] in settings.statutory
    return notice["message_class"] in rule.classes and by_channel and not spared


def on_record(notice: Row, hold: Row, settings: HoldsSettings) -> bool:
    rule = settings.rule(hold["kind"])
    over = hold["until"] and hold["until"] < TODAY and rule.then is Then.RESUMES
    mine = hold["message_class"] in {"", notice["message_class"]}
    if over or not mine or not reached(notice, rule, settings):
        return False
    if hold["phone_hash"] and hold["phone_hash"] == notice["phone_hash"]:
        return True
    whom = rule.whom is Whom.EVERYONE or notice["role"] == "borrower"
    return whom and any(hold[name] and hold[name] == notice[name] for name in ("loan_id", "customer_id"))


def in_tables(notice: Row, kind: str, settings: HoldsSettings) -> bool:
    rule = settings.rule(kind)
    for text in notice["holds"].split(","):
        name, _, until = text.partition(":")
        if name.removeprefix("~") != kind or not reached(notice, rule, settings):
            continue
        over = until != "" and date.fromisoformat(until) < TODAY and rule.then is Then.RESUMES
        others = name.startswith("~") and rule.whom is Whom.BORROWER
        if not over and not others:
            return True
    return False


@given(notices, set_holds, lender_own)
def test_keeps_back_what_ifs_keep_back(told: list[Row], those: list[Row], settings: HoldsSettings) -> None:
    table = pd.DataFrame(told, columns=list(NOTICE)).astype("str")
    rows = [{**frames.blank_row(HOLDS), **hold} for hold in those]
    found = held(table, pd.DataFrame(rows, columns=list(HOLDS)).astype(dict(HOLDS)), settings, TODAY)
    for kind, reason in REASON_OF.items():
        expected = [
            in_tables(n, kind, settings) or any(on_record(n, h, settings) for h in those if h["kind"] == kind)
            for n in told
        ]
        assert found[reason].tolist() == expected


def test_every_kind_has_a_line_in_the_table_and_a_reason() -> None:
    assert set(HoldReason) == set(DEFAULT_HOLDS) == set(REASON_OF)
    assert all(HoldsSettings().rule(kind) is rule for kind, rule in DEFAULT_HOLDS.items())


@given(some(list(DEFAULT_HOLDS)), st.none() | st.dates(TODAY, TODAY + timedelta(days=900)))
def test_a_hold_ends_when_it_was_said_or_after_the_days_of_its_kind(
    kind: HoldReason, named: date | None
) -> None:
    rule = DEFAULT_HOLDS[kind]
    last = rule.last_day(TODAY, named)
    if rule.then is Then.STAYS:
        assert last is None
    elif named is not None:
        assert last == named
    else:
        assert last == (TODAY + timedelta(days=rule.days - 1) if rule.days else None)


def test_a_kind_of_which_only_some_options_are_written_keeps_the_others() -> None:
    settings = HoldsSettings.model_validate({"hardship": {"days": 7}, "statutory": []})
    assert settings.hardship == DEFAULT_HOLDS[HoldReason.HARDSHIP].model_copy(update={"days": 7})
    assert settings.statutory == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"deceased": {"days": 3}}, "days says nothing with then: stays"),
        ({"illness": {}}, "illness"),
        ({"hardship": 3}, "hardship"),
        ({"pause": {"then": "vanishes"}}, "pause.then"),
    ],
)
def test_what_makes_no_sense_is_said(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        HoldsSettings.model_validate(given)
