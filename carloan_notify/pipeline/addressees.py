"""Who each message that waits is for, by the tables of now, and what speaks against telling them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.codes import Look
from carloan_notify.ledger.notices import is_again
from carloan_notify.ledger.views import Waiting
from carloan_notify.notices.addressees import WAITING, addressees
from carloan_notify.notices.decide import Identity
from carloan_notify.notices.fits import unfit_rules
from carloan_notify.notices.hours import zone_named
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.pipeline.holds import Recorded
from carloan_notify.pipeline.portfolio import Portfolio, frame_of


@dataclass(frozen=True, slots=True)
class Known:
    """How people are named in the ledger, and what it has on record against telling them."""

    identity: Identity
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Addressee:
    """What the tables say of a message's person for one loan: what speaks against it, its name and its own date.

    `opens` is when it is an hour for contact again, None when nobody can say. `unfit` are the rules (by place) whose
    `where` is not for such a person. `under` has what is said by the hours of other rules that may tell the message.
    """

    against: Look | None
    name: str
    day: date
    opens: datetime | None = None
    unfit: frozenset[int] = frozenset()
    under: Mapping[int, "Addressee"] = field(default_factory=dict)

    def by(self, rule_no: int | None) -> "Addressee":
        """The same person by the hours of that rule."""
        return self if rule_no is None else self.under.get(rule_no, self)

    def welcome(self) -> "Addressee":
        """The same person with nothing against telling it."""
        return replace(self, against=None, under={})


_HEAD: Final = ("message_id", "role", "phone_hash", "notice", "channel", "message_class")
_head: Final = attrgetter(*_HEAD)
_Whom = tuple[str, str]
"""Message and loan."""


def people_of(
    app: App, portfolio: Portfolio, waiting: Sequence[Waiting], known: Known, names: Mapping[str, str]
) -> dict[_Whom, Addressee]:
    """By message and loan: whom it is for now."""
    today, rules = app.business_date(), app.settings.rules
    asked = [
        (rule_no, *_head(m), loan_id, names.get(m.message_id, ""), window, _days_past_due(m, loan_id, today))
        for m in waiting
        for loan_id in sorted(m.loan_ids)
        for rule_no, window in _told_by(m, rules)
    ]
    columns = ["rule_no", *_HEAD, "loan_id", "name", "window", "days_past_due"]
    rows = pd.DataFrame(asked, columns=columns).astype({**WAITING, "rule_no": frames.COUNT})
    people = recipients(portfolio.loans, frame_of(portfolio.sources.contacts))
    people = people.assign(
        phone_hash=frames.per_value(people["phone"], known.identity.ref),
        unfit=unfit_rules(people, rules, portfolio.loans),
    )
    people = people.merge(portfolio.loans[["loan_id", "customer_id"]], on="loan_id")
    record = known.recorded.about(people["customer_id"].unique())
    moment = Tonight(app.clock(), today)
    found = addressees(rows.drop(columns="rule_no"), people, app.settings.policy, moment, record)
    return _by_whom(rows["rule_no"].tolist(), found, moment)


def _told_by(message: Waiting, rules: Sequence[RuleSettings]) -> Iterator[tuple[int, str]]:
    """The rules that may tell it, by place, with their own hours; who sends again has the policy's alone."""
    again = any(is_again(cover.idempotency_key) for cover in message.covers)
    mine = () if again else _of_kind(message, rules)
    yield from [(number, rules[number].window or "") for number in mine] or [(_NO_RULE, "")]


def _of_kind(message: Waiting, rules: Sequence[RuleSettings]) -> Collection[int]:
    return [
        number
        for number, rule in enumerate(rules)
        if (rule.notice, rule.channel.value) == (message.notice, message.channel) and message.role in rule.who
    ]


_NO_RULE: Final = -1


def _by_whom(rule_nos: Sequence[int], found: pd.DataFrame, moment: Tonight) -> dict[_Whom, Addressee]:
    """The first of each message and loan, with what the others say under their rules."""
    each: dict[_Whom, dict[int, Addressee]] = {}
    for rule_no, (message_id, loan_id, *said) in zip(
        rule_nos, found.itertuples(index=False, name=None), strict=True
    ):
        each.setdefault((message_id, loan_id), {})[rule_no] = _addressee(said, moment)
    return {
        whom: replace(next(iter(views.values())), under=views if len(views) > 1 else {})
        for whom, views in each.items()
    }


def _addressee(said: Sequence[Any], moment: Tonight) -> Addressee:
    look, name, timezone, unfit, opens = said
    return Addressee(
        Look(look) if look else None,
        name,
        _local_day(moment.now, timezone, moment.as_of),
        None if pd.isna(opens) else opens.to_pydatetime(),
        frozenset(map(int, filter(None, unfit.split(",")))),
    )


def _days_past_due(message: Waiting, loan_id: str, today: date) -> int:
    """How long what it tells of a loan is past due; what was paid meanwhile ends the message anyway."""
    told = [c.original_due_on for c in message.covers if c.loan_id == loan_id and c.original_due_on]
    return max(0, (today - min(told)).days) if told else 0


def _local_day(now: datetime, timezone: str, otherwise: date) -> date:
    zone = zone_named(timezone)
    return now.astimezone(zone).date() if zone else otherwise
