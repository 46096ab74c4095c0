"""The options: what they refuse, and that the defaults make sense together."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.ladder import DEFAULT_LADDER, rule_problems
from carloan_notify.notices.law_settings import CapSettings, CoolOffSettings, GapSettings, HoursSettings
from carloan_notify.notices.settings import (
    EventType,
    PolicySettings,
    RuleSettings,
    When,
)
from carloan_notify.records import Channel, MessageClass
from carloan_notify.settings import Settings

ALL: list[type[Settings]] = [
    CapSettings,
    CoolOffSettings,
    GapSettings,
    GuardSettings,
    HoursSettings,
    PolicySettings,
    RuleSettings,
    When,
]
DUE = When(days_before_due=7)


def test_the_default_ladder_is_sound_and_survives_yaml() -> None:
    assert rule_problems(DEFAULT_LADDER, PolicySettings()) == []
    text = yaml.safe_dump(
        [rule.model_dump(mode="json", by_alias=True, exclude_defaults=True) for rule in DEFAULT_LADDER]
    )
    assert TypeAdapter(list[RuleSettings]).validate_python(yaml.safe_load(text)) == DEFAULT_LADDER


def test_the_default_ladder_knows_every_stage() -> None:
    assert list(dict.fromkeys(rule.notice for rule in DEFAULT_LADDER)) == [
        "due_in_7_days",
        "due_today",
        *(f"overdue_{days}" for days in (1, 3, 7, 15, 30)),
        "credit_bureau_notice",
        "application_received",
        "application_approved",
        "application_rejected",
        "contract_signed",
        "loan_disbursed",
        "payment_received",
        "due_day_changed",
        "loan_deferred",
        "loan_extended",
        "rate_changed",
        "loan_prepaid",
        "settlement_quoted",
        "loan_settled",
        "lien_released",
        "lien_reminder",
        "settled_offer",
        "remainder_left",
        "remainder_left_30",
    ]
    asks = {rule.notice: rule.when.event in {None, EventType.REMAINDER_LEFT} for rule in DEFAULT_LADDER}
    assert all(rule.until_paid is asks[rule.notice] for rule in DEFAULT_LADDER)


def fields() -> Iterator[tuple[str, Any]]:
    for model in ALL:
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field


@pytest.mark.parametrize(("name", "field"), list(fields()))
def test_every_option_is_described_with_an_example(name: str, field: Any) -> None:
    assert field.description.endswith("."), name
    assert field.examples, name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "found nothing"),
        ({"days_before_due": 1, "event": "loan_settled"}, "found days_before_due and event"),
        ({"days_past_due": 0}, "greater than or equal to 1"),
        ({"days_later": 1}, "Extra inputs"),
        ({"days_past_due": 3, "days_after": 1}, "days_after counts from an event"),
    ],
)
def test_a_rule_has_exactly_one_moment(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        When.model_validate(options)


@pytest.mark.parametrize(
    "options",
    [{"notice": "Due Today"}, {"channel": "fax"}, {"window": "21:00-08:00"}, {"window": "9-5"}, {"who": []}],
)
def test_a_rule_refuses(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RuleSettings.model_validate({"notice": "n", "when": {"days_before_due": 1}, **options})


def test_a_rule_is_read_by_its_words_in_the_file() -> None:
    rule = RuleSettings.model_validate(
        {
            "notice": "n",
            "when": {"days_past_due": 1},
            "class": "collection",
            "until": "none",
            "window": "09:00-20:00",
        }
    )
    assert rule.message_class is MessageClass.COLLECTION
    assert not rule.until_paid
    assert rule.template_name == "n"


def test_hours_must_leave_time_for_every_message() -> None:
    shut = [HoursSettings(window="08:00-12:00"), HoursSettings(channel=Channel.VOICE, window="13:00-20:00")]
    with pytest.raises(ValidationError, match="no time for service messages by voice"):
        PolicySettings(hours=tuple(shut))
    with pytest.raises(ValidationError, match="no time for service messages by sms"):
        PolicySettings(hours=(shut[1],))


def test_only_some_events_can_be_derived() -> None:
    with pytest.raises(ValidationError, match="cannot derive contract_signed"):
        PolicySettings(derived_events=(EventType.CONTRACT_SIGNED,))


def rule(where: dict[str, object], **options: Any) -> RuleSettings:
    return RuleSettings.model_validate({"notice": "a", "when": DUE, "where": where, **options})


def test_one_notice_may_have_a_rule_for_each_product() -> None:
    rules = [
        rule({"product": "ev"}, when=When(days_before_due=5), window="09:00-12:00"),
        rule({"product": ["used", "new"]}, template="b", window="10:00-12:00"),
        rule({"product": {"not": ["ev", "used", "new"]}}, when=When(days_before_due=3)),
    ]
    assert rule_problems(rules, PolicySettings()) == []


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (
            rule({"product": ["used", "ev"]}),
            "rules[1].where: a by sms to borrower has a rule already, rules[0]",
        ),
        (
            rule({"principal": {"from": 5}}),
            "rules[1].where: a by sms to borrower has a rule already, rules[0]",
        ),
        (rule({}), "rules[1].where: a by sms to borrower has a rule already, rules[0]"),
        (rule({"product": "used"}, when=When(days_past_due=1)), "rules[1].when: a fires at another time"),
        (rule({}, channel="voice", when=When(days_before_due=2)), "rules[1].when: a fires at another time"),
        (rule({"product": "used"}, after="voice"), "rules[1].after: a by sms says otherwise in rules[0]"),
    ],
)
def test_two_rules_of_one_notice_must_not_fit_one_loan(second: RuleSettings, says: str) -> None:
    [problem] = rule_problems([rule({"product": "ev"}), second], PolicySettings())
    assert problem.startswith(says)


def test_rules_that_contradict_each_other_are_all_named() -> None:
    rules = [
        RuleSettings(notice="a", when=DUE, supersedes=("b", "ghost")),
        RuleSettings(notice="a", when=When(days_before_due=3)),
        RuleSettings(notice="b", when=DUE, supersedes=("a",), window="21:00-22:00"),
        RuleSettings(notice="c", when=DUE, supersedes=("c",)),
    ]
    shut_out = "21:00-22:00 lies outside policy.hours for service messages by sms; widen one of them"
    assert rule_problems(rules, PolicySettings()) == [
        "rules[1].notice: a by sms to borrower has a rule already; remove one or give it a name of its own",
        "rules[1].when: a fires at another time in an earlier rule; give it a name of its own",
        "rules[0].supersedes: a and b replace each other; take one out",
        "rules[0].supersedes: there is no notice ghost; correct the name or take it out",
        "rules[2].supersedes: b and a replace each other; take one out",
        "rules[3].supersedes: c and c replace each other; take one out",
        f"rules[2].window: {shut_out}",
    ]
