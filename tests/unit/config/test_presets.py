"""The presets of places: their numbers as they were gathered, each with its source."""

from pathlib import Path

import pytest

from carloan_notify.config import presets
from carloan_notify.config.presets import PRESETS, load_presets, preset
from carloan_notify.inbound.lexicon import ReplyKind, shipped_lexicon
from carloan_notify.loans.calendar import knows_holidays
from carloan_notify.notices.law_settings import DutyName
from tools.preset_tables import document

NUMBERS = {
    "cn": {
        "collection  08:00-22:00",
        "collection voice 6 attempts in 1 per number",
        "collection voice 3 contacts in 1 per borrower",
    },
    "us-reg-f": {
        "collection  08:00-21:00",
        "collection voice 7 attempts in 7 per loan",
        "collection voice rest 7 per loan",
    },
    "us-ma": {"collection  2 attempts in 7 per loan"},
    "us-tcpa": set[str](),
    "in": {"collection  08:00-19:00"},
    "th": {
        "collection mon,tue,wed,thu,fri 08:00-20:00",
        "collection sat,sun,holiday 08:00-18:00",
        "collection  1 attempts in 1 per borrower",
    },
    "id": {"collection mon,tue,wed,thu,fri,sat 08:00-20:00", "collection holiday none"},
    "au": {
        "collection mon,tue,wed,thu,fri 07:30-21:00",
        "collection sat,sun 09:00-21:00",
        "collection holiday none",
        "collection  3 attempts in 7 per loan",
        "collection  10 attempts in 31 per loan",
    },
    "ph": {"collection  06:00-22:00"},
}


def said(name: str) -> set[str]:
    one = preset(name)
    hours = {f"{entry.message_class} {','.join(entry.days)} {entry.window}" for entry in one.hours}
    caps = {
        f"{cap.message_class} {cap.channel or ''} {cap.limit} {cap.counts} in {cap.days} per {cap.per}"
        for cap in one.caps
    }
    rests = {
        f"{rest.message_class} {rest.channel or ''} rest {rest.days} per {rest.per}" for rest in one.cool_offs
    }
    return hours | caps | rests


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_the_numbers_that_were_gathered(name: str) -> None:
    assert said(name) == NUMBERS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_every_country_of_a_preset_has_a_calendar_that_knows_its_holidays(name: str) -> None:
    assert all(knows_holidays(country) for country in preset(name).countries)


def test_every_word_of_revocation_is_an_opt_out_in_the_shipped_lexicon() -> None:
    words = [
        word for duty in preset("us-tcpa").duties if duty.duty is DutyName.REVOCATION for word in duty.words
    ]
    assert len(words) == 7
    assert {word: shipped_lexicon().read(word).kind for word in words} == dict.fromkeys(
        words, ReplyKind.OPT_OUT
    )
    assert shipped_lexicon().read("Please stop texting me, I revoke my consent").kind is ReplyKind.OPT_OUT


def test_names_that_are_no_preset_are_told_all_at_once() -> None:
    with pytest.raises(
        ValueError, match=r"usma.*did you mean 'us-ma'.*; presets\[2\]: there is no preset 'xx'"
    ):
        load_presets(["usma", "cn", "xx"])


def test_the_files_are_those_that_are_offered() -> None:
    folder = Path(presets.__file__).with_name("presets")
    assert {file.stem for file in folder.glob("*.yaml")} == set(PRESETS)


def test_the_document_is_generated() -> None:
    written = Path(__file__).parents[3] / "docs" / "policy-presets.md"
    assert written.read_text(encoding="utf-8") == document(), (
        "python -m tools.preset_tables > docs/policy-presets.md"
    )
