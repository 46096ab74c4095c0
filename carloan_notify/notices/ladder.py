"""The ladder a new lender starts with; it stands in `config.example.yaml`, where each rule can be changed."""

from carloan_notify.notices.settings import RuleSettings, When
from carloan_notify.notices.vocabulary import EventType
from carloan_notify.records import Channel, MessageClass

OVERDUE_DAYS = (1, 3, 7, 15, 30)
VOICE_DAYS = frozenset({1, 15})
CREDIT_BUREAU_DAYS = 25
"""征信业管理条例 §15: the person is told *before* negative data is reported. The regulation names no day;
this one comes before the account is a month late. A lender that reports sooner sets its own."""


def _before(notice: str, days: int) -> RuleSettings:
    return RuleSettings(notice=notice, when=When(days_before_due=days))


def _overdue(days: int, channel: Channel) -> RuleSettings:
    earlier = tuple(f"overdue_{stage}" for stage in OVERDUE_DAYS if stage < days)
    return RuleSettings(
        notice=f"overdue_{days}",
        when=When(days_past_due=days),
        channel=channel,
        message_class=MessageClass.COLLECTION,
        supersedes=earlier,
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


DEFAULT_LADDER: list[RuleSettings] = [
    _before("due_in_7_days", 7),
    _before("due_today", 0),
    *_overdue_stages(),
    _credit_bureau(),
    _event(EventType.APPLICATION_RECEIVED),
    _event(EventType.APPLICATION_APPROVED, "application_received"),
    _event(EventType.CONTRACT_SIGNED),
    _event(EventType.LOAN_DISBURSED),
    _event(EventType.PAYMENT_RECEIVED),
    _event(EventType.DUE_DAY_CHANGED),
    _event(EventType.LOAN_SETTLED, "payment_received"),
]
