"""Walk a ladder day by day without any loan of a lender: which of its stages does the law of a place hold back?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.decide import KEYS, Identity, decide, firing_days, replaced_before
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.law_settings import Preset
from carloan_notify.notices.limits import CONVERSATIONS, RECENT
from carloan_notify.notices.policy import SUPPRESSIONS, ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings, Role, RuleSettings
from carloan_notify.notices.where import STANDING_COLUMNS, Condition, Value
from carloan_notify.phones import example_mobile
from carloan_notify.records import Channel, Decision

OWN: Final = ""
"""Stands for no preset: the lender's own policy alone."""
WEEK: Final = 7
STAGES: Final[Mapping[str, str]] = {
    "preset": frames.TEXT,
    "answered": frames.FLAG,  # whether calls are answered
    "due_on": frames.DATE,
    "rule_no": frames.COUNT,
    "days_late": frames.COUNT,  # days after the stage's own day, NEVER when it was not told
    "reason": frames.TEXT,  # codes.Reason that held it on its own day, "" when nothing did
}
"""What became of each stage of one loan that nobody pays."""
NEVER: Final = -1


def walk(
    rules: Sequence[RuleSettings], policy: PolicySettings, presets: Sequence[Preset], since: date
) -> pd.DataFrame:
    """STAGES of unpaid loans, one due on each day of the week from `since` on, for each preset alone and for none.

    The rules are those of one ladder (`ladders`): each loan is told by all of them, whatever their `where`.
    Every day is decided by the functions of a night; what events call for is left out. Once all calls are answered, and
    once none is: a text that follows an answered call is not sent, and is no stage there.
    """
    mine = [*(_alone(preset) for preset in presets)]
    lender = policy.model_copy(update={"countries": frozenset(), "presets": tuple(one.name for one in mine)})
    places = [place for place, rule in enumerate(rules) if not rule.when.moment]
    steps = [rules[place].model_copy(update={"who": (Role.BORROWER,), "where": {}}) for place in places]
    loans = _loans([OWN, *(preset.name for preset in presets)], since)
    walker = _Walker(steps, lender.with_law(mine), loans)
    for day in _days(steps, since):
        walker.live(day)
    found = walker.stages()
    return found.assign(rule_no=[places[number] for number in found["rule_no"]]).astype(dict(STAGES))


# Which rules may tell one loan?


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rules, by place, that all may tell one loan; `kind` is what `where` asks of it: by column a value, or None.

    None stands for a value that no rule names.
    """

    places: tuple[int, ...]
    kind: Mapping[str, Value | None]


def ladders(rules: Sequence[RuleSettings]) -> list[Ladder]:
    """The largest sets of rules that one loan may be told by, for the kinds of loans that `where` tells apart.

    Events are left out. What is worked out of a loan (bucket, days past due) changes while it is walked, and tells no
    kinds apart.
    """
    stages = {place: rule.where for place, rule in enumerate(rules) if not rule.when.moment}
    found: dict[frozenset[int], dict[str, Value | None]] = {frozenset(stages): {}}
    names = (name for where in stages.values() for name in where if name not in STANDING_COLUMNS)
    for name in dict.fromkeys(names):
        asked = {place: where[name] for place, where in stages.items() if name in where}
        finer: dict[frozenset[int], dict[str, Value | None]] = {}
        for value in _examples(asked.values()):
            unfit = {place for place, condition in asked.items() if not _holds(condition, value)}
            for places, kind in found.items():
                finer.setdefault(places - unfit, {**kind, name: value})
        found = finer
    largest = [places for places in found if not any(places < other for other in found)]
    return [Ladder(tuple(sorted(places)), found[places]) for places in largest if places]


def _examples(conditions: Iterable[Condition]) -> list[Value | None]:
    """Values that stand for all: those that are named, the ends of ranges and their neighbours, and none of these."""
    values: dict[Value | None, None] = {}
    for condition in conditions:
        values |= dict.fromkeys(condition.named)
        for end in (condition.least, condition.most):
            values |= dict.fromkeys(_around(end))
    return [*values, None]


def _around(end: Value | None) -> tuple[Value, ...]:
    if isinstance(end, date):
        return end - timedelta(days=1), end, end + timedelta(days=1)
    return (end - 1, end, end + 1) if isinstance(end, int) else ()


def _holds(condition: Condition, value: Value | None) -> bool:
    """A value that no rule names is none of those that `is` lists, and lies in no range."""
    return condition.none_of is not None if value is None else condition.holds(value)


def _alone(preset: Preset) -> Preset:
    """The preset as the law of a country of its own, whose holidays are still the true ones."""
    country = preset.countries[0]
    hours = [entry.model_copy(update={"calendar": entry.calendar or country}) for entry in preset.hours]
    return preset.model_copy(update={"countries": (preset.name,), "regions": (), "hours": tuple(hours)})


def _days(rules: Sequence[RuleSettings], since: date) -> list[date]:
    """The days on which a rule may fire for one of the loans."""
    offsets: set[int] = set()
    for rule in rules:
        days = firing_days(rule)
        sign = -1 if rule.when.days_before_due is not None else 1
        offsets |= {sign * day for day in range(days.first, days.last + 1)}
    found = {since + timedelta(days=offset + start) for offset in offsets for start in range(WEEK)}
    return sorted(found)


_LOANS: Final = {**frames.LOANS, "answered": frames.FLAG, "due_on": frames.DATE}


def _loans(presets: Sequence[str], since: date) -> pd.DataFrame:
    blank = frames.blank_row(_LOANS)
    rows = [
        {
            **blank,
            "loan_id": f"{preset}|{start}|{answered}",
            "customer_id": f"{preset}|{start}|{answered}",
            "phone": example_mobile("CN"),
            "status": "active",
            "language": "en",
            "timezone": "UTC",
            "country": preset or "CN",
            "answered": answered,
            "due_on": pd.Timestamp(since + timedelta(days=start)),
        }
        for preset in presets
        for start in range(WEEK)
        for answered in (False, True)
    ]
    return pd.DataFrame(rows).astype(_LOANS)


@dataclass
class _Walker:
    """What was told so far."""

    rules: Sequence[RuleSettings]
    policy: PolicySettings
    loans: pd.DataFrame
    recent: pd.DataFrame = field(default_factory=lambda: frames.empty(RECENT))
    talked: pd.DataFrame = field(default_factory=lambda: frames.empty(CONVERSATIONS))
    told: set[str] = field(default_factory=set)
    outcomes: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    """By loan and rule: days late (NEVER so far) and why not on its own day."""

    def live(self, day: date) -> None:
        """One night, and the day after it."""
        identity = Identity("walk", str)
        found = decide(self._inputs(day), self.rules, self.policy, day, identity).notices
        notices = found.assign(phone_hash=found["loan_id"])
        history = ContactHistory(
            already_sent=self.told,
            suppressions=frames.empty(SUPPRESSIONS),
            recent=self.recent,
            languages=("en",),
            replaced=replaced_before(identity, notices, self.rules, self._known),
            conversations=self.talked,
        )
        tonight = Tonight(datetime.combine(day, time.min, UTC), day)
        decided = apply_policy(notices, self.policy, history, tonight)
        self._note(decided, dict(zip(found["idempotency_key"], found["rule_no"], strict=True)), day)
        self._send(decided[decided["decision"] == Decision.QUEUED.value])

    def _known(self, keys: Sequence[str]) -> set[str]:
        return self.told.intersection(keys)

    def _inputs(self, day: date) -> DecideInputs:
        today, rows = pd.Timestamp(day), self.loans
        late = rows[rows["due_on"] < today]
        due = {"oldest_due_on": late["due_on"], "oldest_original_due_on": late["due_on"]}
        standing = _filled(
            late,
            frames.STANDING,
            **due,
            status="active",
            oldest_installment_no=1,
            overdue_minor=1,
            days_past_due=(today - late["due_on"]).dt.days,
        )
        coming = rows[rows["due_on"] >= today]
        other = _filled(coming, frames.STANDING, status="active")
        dues = _filled(
            coming,
            frames.DUES,
            installment_no=1,
            due_on=coming["due_on"],
            original_due_on=coming["due_on"],
            total_minor=1,
            unpaid_minor=1,
        )
        return DecideInputs(rows, dues, pd.concat([standing, other], ignore_index=True))

    def _note(self, decided: pd.DataFrame, rule_of: Mapping[str, int], day: date) -> None:
        due = self.loans.set_index("loan_id")["due_on"].dt.date
        names = ("idempotency_key", "loan_id", "decision", "reason", "not_before")
        for key, loan_id, decision, reason, opens in zip(
            *(decided[name].tolist() for name in names), strict=True
        ):
            place = rule_of[key]
            late, why = self.outcomes.get((loan_id, place), (NEVER, ""))
            if decision == Decision.ALREADY_SENT.value:
                continue
            own = own_day(self.rules[place], due[loan_id])
            if decision == Decision.QUEUED.value:
                late = (opens.date() - own).days
            elif day >= own and not why:
                why = reason
            self.outcomes[loan_id, place] = (late, why)

    def _send(self, queued: pd.DataFrame) -> None:
        """What leaves: a text that follows an answered call is ended, as the sender ends it."""
        answered = frames.among(queued["loan_id"], self.loans.loc[self.loans["answered"], "loan_id"])
        self.told |= {key for name in KEYS for key in queued[name] if key}
        follows = pd.Series(
            [self._stays(*kind) for kind in zip(queued["notice"], queued["channel"], strict=True)],
            index=queued.index,
            dtype="bool",
        )
        calls = queued["channel"] == Channel.VOICE.value
        left = queued[~(answered & follows)]
        day = left["not_before"].dt.tz_localize(None).dt.normalize()
        past = left.assign(
            loan_ids=left["loan_id"],
            sent_on=day,
            failed=(calls & ~answered)[left.index],
            leaves_at=left["not_before"],
            left_by=left["not_before"],
        )
        talked = past[(calls & answered)[left.index]].assign(held_on=day)
        self.recent = pd.concat([self.recent, past[list(RECENT)]], ignore_index=True).astype(dict(RECENT))
        self.talked = pd.concat([self.talked, talked[list(CONVERSATIONS)]], ignore_index=True).astype(
            dict(CONVERSATIONS)
        )

    def _stays(self, notice: str, channel: str) -> bool:
        """Whether such a message is not sent where its call was answered."""
        return any(
            rule.unless is not None
            for rule in self.rules
            if (rule.notice, rule.channel.value) == (notice, channel)
        )

    def stages(self) -> pd.DataFrame:
        """STAGES of all that was walked."""
        whose = zip(self.loans["answered"].tolist(), self.loans["due_on"].tolist(), strict=True)
        facts = dict(zip(self.loans["loan_id"], whose, strict=True))
        rows = [
            (loan_id.partition("|")[0], *facts[loan_id], place, *outcome)
            for (loan_id, place), outcome in self.outcomes.items()
            if not (facts[loan_id][0] and self.rules[place].unless is not None)
        ]
        return pd.DataFrame(rows, columns=list(STAGES)).astype(dict(STAGES))


def own_day(rule: RuleSettings, due_on: date) -> date:
    """The day for which a rule is meant, of an installment due on that date."""
    if rule.when.days_before_due is not None:
        return due_on - timedelta(days=rule.when.days_before_due)
    return due_on + timedelta(days=rule.when.days_past_due or 0)


def _filled(rows: pd.DataFrame, columns: Mapping[str, str], **values: object) -> pd.DataFrame:
    """A frame of these columns for the loans of `rows`, blank but for the values."""
    blank = frames.blank_row(columns)
    given = {name: values.get(name, blank[name]) for name in columns}
    return pd.DataFrame({**given, "loan_id": rows["loan_id"]}, index=rows.index).astype(dict(columns))
