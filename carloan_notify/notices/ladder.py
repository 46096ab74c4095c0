"""The ladder a new lender starts with; it stands in `config.example.yaml`, where each rule can be changed."""

from collections.abc import Iterator, Sequence
from typing import Final

from carloan_notify.notices.settings import (
    EventType,
    PolicySettings,
    RuleSettings,
    Until,
    When,
    outside_hours,
)
from carloan_notify.notices.where import overlap
from carloan_notify.records import Channel, MessageClass

OVERDUE_DAYS = (1, 3, 7, 15, 30)
VOICE_DAYS = frozenset({1, 15})
CREDIT_BUREAU_DAYS = 25
"""征信业管理条例 §15: the person is told *before* negative data is reported. The regulation names no day;
this one comes before the account is a month late. A lender that reports sooner sets its own."""


def _before(notice: str, days: int) -> RuleSettings:
    return RuleSettings(notice=notice, when=When(days_before_due=days))


def _overdue(days: int, channel: Channel) -> RuleSettings:
    """A stage with a call has its text message after the call, and only where nobody answered it."""
    second = days in VOICE_DAYS and channel is Channel.SMS
    earlier = tuple(f"overdue_{stage}" for stage in OVERDUE_DAYS if stage < days)
    return RuleSettings(
        notice=f"overdue_{days}",
        when=When(days_past_due=days),
        channel=channel,
        message_class=MessageClass.COLLECTION,
        supersedes=earlier,
        after=Channel.VOICE if second else None,
        unless="answered" if second else None,
    )


def _overdue_stages() -> list[RuleSettings]:
    channels = {True: (Channel.VOICE, Channel.SMS), False: (Channel.SMS,)}
    return [_overdue(days, channel) for days in OVERDUE_DAYS for channel in channels[days in VOICE_DAYS]]


def _credit_bureau() -> RuleSettings:
    return RuleSettings(
        notice="credit_bureau_notice",
        when=When(days_past_due=CREDIT_BUREAU_DAYS),
        message_class=MessageClass.COLLECTION,
    )


def _event(event: EventType, *supersedes: str) -> RuleSettings:
    return RuleSettings(notice=event.value, when=When(event=event), supersedes=supersedes)


REMAINDER_AGAIN_DAYS = 30
"""What is left grows no more, and no bureau hears of it: one text at once and one a month later is all."""


def _remainder(days: int) -> RuleSettings:
    """What is left after the last installment is asked for; a payment that arrives late is caught up for a week."""
    name = EventType.REMAINDER_LEFT.value
    return RuleSettings(
        notice=f"{name}_{days}" if days else name,
        when=When(event=EventType.REMAINDER_LEFT, days_after=days),
        template=name if days else "",
        message_class=MessageClass.COLLECTION,
        catch_up_days=7,
        until=Until.PAID,
    )


LIEN_DAYS = 15
"""Lenders' own texts name 7 to 15 working days for the release of a lien; no law names any."""
OFFER_DAYS = 7
"""Thanks carry no marketing; an offer of other services comes later, and only to people who agreed to hear of it."""


def _lien_reminder() -> RuleSettings:
    return RuleSettings(
        notice="lien_reminder", when=When(event=EventType.LIEN_OPEN, days_after=LIEN_DAYS), catch_up_days=7
    )


def _offer() -> RuleSettings:
    """Marketing goes only to people whose contact row says that they consented (`policy.consent_required`)."""
    return RuleSettings(
        notice="settled_offer",
        when=When(event=EventType.LOAN_SETTLED, days_after=OFFER_DAYS),
        message_class=MessageClass.MARKETING,
    )


DEFAULT_LADDER: list[RuleSettings] = [
    _before("due_in_7_days", 7),
    _before("due_today", 0),
    *_overdue_stages(),
    _credit_bureau(),
    _event(EventType.APPLICATION_RECEIVED),
    _event(EventType.APPLICATION_APPROVED, "application_received"),
    _event(EventType.APPLICATION_REJECTED, "application_received"),
    _event(EventType.CONTRACT_SIGNED),
    _event(EventType.LOAN_DISBURSED),
    _event(EventType.PAYMENT_RECEIVED),
    _event(EventType.DUE_DAY_CHANGED),
    _event(EventType.LOAN_DEFERRED),
    _event(EventType.LOAN_EXTENDED),
    _event(EventType.RATE_CHANGED),
    _event(EventType.LOAN_PREPAID),
    _event(EventType.SETTLEMENT_QUOTED),
    _event(EventType.LOAN_SETTLED, "payment_received"),
    _event(EventType.LIEN_RELEASED),
    _lien_reminder(),
    _offer(),
    _remainder(0),
    _remainder(REMAINDER_AGAIN_DAYS),
]


# Do the rules make sense together? All that a single rule cannot know of itself.


def rule_problems(rules: Sequence[RuleSettings], policy: PolicySettings) -> list[str]:
    """Everything wrong with the rules, each `rules[2].window: what; how to fix it`; else empty."""
    return [
        *_repeated(rules),
        *_disagreeing(rules),
        *_superseding(rules),
        *_shut_out(rules, policy),
    ]


def _repeated(rules: Sequence[RuleSettings]) -> Iterator[str]:
    """A second rule of the same notice, channel and role has the first's keys: it could never tell the same loan."""
    seen: dict[tuple[str, str, str], list[int]] = {}
    for number, rule in enumerate(rules):
        for role in dict.fromkeys(rule.who):
            earlier = seen.setdefault((rule.notice, rule.channel.value, role.value), [])
            both = next((place for place in earlier if overlap(rules[place].where, rule.where)), None)
            if both is not None:
                yield _twice(number, rule, role, both, rules[both])
            elif earlier:
                yield from _told_otherwise(number, rule, earlier[0], rules[earlier[0]])
            earlier.append(number)


def _twice(number: int, rule: RuleSettings, role: str, place: int, earlier: RuleSettings) -> str:
    what = f"{rule.notice} by {rule.channel} to {role} has a rule already"
    if not (rule.where or earlier.where):
        return f"rules[{number}].notice: {what}; remove one or give it a name of its own"
    both = f"{what}, rules[{place}], and some loans may fit both"
    return f"rules[{number}].where: {both}; name other values of the same column in each, or give it a name of its own"


_OF_THE_NOTICE: Final = ("after", "unless", "wait_minutes", "supersedes")
"""What goes by the notice and its channel, whichever rule tells it."""


def _told_otherwise(number: int, rule: RuleSettings, place: int, earlier: RuleSettings) -> Iterator[str]:
    for name in _OF_THE_NOTICE:
        if getattr(rule, name) != getattr(earlier, name):
            what = f"{rule.notice} by {rule.channel} says otherwise in rules[{place}]"
            yield f"rules[{number}].{name}: {what}; write the same, or give it a name of its own"


def _disagreeing(rules: Sequence[RuleSettings]) -> Iterator[str]:
    """For one loan a notice has one moment, whatever its channels; for all loans it waits for the same kind of day."""
    seen: dict[str, list[RuleSettings]] = {}
    for number, rule in enumerate(rules):
        earlier = seen.setdefault(rule.notice, [])
        if any(_at_odds(rule, other) for other in earlier):
            what = f"{rule.notice} fires at another time in an earlier rule"
            yield f"rules[{number}].when: {what}; give it a name of its own"
        earlier.append(rule)


def _at_odds(one: RuleSettings, other: RuleSettings) -> bool:
    if one.when == other.when:
        return False
    return one.when.counts_from != other.when.counts_from or overlap(one.where, other.where)


def _superseding(rules: Sequence[RuleSettings]) -> Iterator[str]:
    known = {rule.notice for rule in rules}
    replaced = {
        name: {other for rule in rules if rule.notice == name for other in rule.supersedes} for name in known
    }
    for number, rule in enumerate(rules):
        for other in rule.supersedes:
            if other not in known:
                what, cure = f"there is no notice {other}", "correct the name or take it out"
            elif other == rule.notice or rule.notice in replaced[other]:
                what, cure = f"{rule.notice} and {other} replace each other", "take one out"
            else:
                continue
            yield f"rules[{number}].supersedes: {what}; {cure}"


def _shut_out(rules: Sequence[RuleSettings], policy: PolicySettings) -> Iterator[str]:
    for number, rule in enumerate(rules):
        window = rule.window or ""
        if not policy.open_windows(rule.channel, rule.message_class, window):
            problem = outside_hours(window, rule.message_class, rule.channel).removeprefix("window ")
            yield f"rules[{number}].window: {problem}"
