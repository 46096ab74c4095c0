"""The whole configuration: it assembles the settings classes that live beside the code that uses them."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.numbers import list_currencies
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from carloan_notify.config.presets import load_presets
from carloan_notify.delivery.approved import templates_of
from carloan_notify.delivery.gateway.request import MESSAGE_NAMES, PLACEHOLDER, names_in
from carloan_notify.delivery.provider import ApprovedTemplateSettings, WiredSettings
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.inbound.settings import InboundSettings, LinkPageSettings
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing_settings import (
    FIRST_BUCKET,
    AllocationSettings,
    DelinquencySettings,
    DueDaySettings,
    PayoffSettings,
)
from carloan_notify.messages.context import PARAMETERS
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import babel_locale
from carloan_notify.notices.bureau_settings import CreditBureauSettings
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.ladder import DEFAULT_LADDER, rule_problems
from carloan_notify.notices.promise_settings import PromisesSettings
from carloan_notify.notices.settings import (
    FROM_CHANGES,
    EventSettings,
    EventType,
    NoticeName,
    PolicySettings,
    Role,
    RuleSettings,
)
from carloan_notify.notices.where import Kind, Of, Units, bound
from carloan_notify.records import Channel, Lender, currency_exponent
from carloan_notify.reports.settings import CertificateSettings
from carloan_notify.settings import Settings
from carloan_notify.sources.settings import SourcesSettings, where_columns
from carloan_notify.sources.tables import EVENT_TYPES
from carloan_notify.sources.values import word_key

# Do approved templates name what exists? A typing error would send nothing, or a message with holes.

VALUES = frozenset({*PARAMETERS, *MESSAGE_NAMES} - {"params"})


def approved_problems(
    delivery: DeliverySettings, rules: Sequence[RuleSettings], country: str
) -> Iterator[str]:
    """Every name that approved templates get wrong, each `dotted.path: what; how to fix it`.

    A notice of the default ladder is known even where no rule uses it.
    """
    notices = {rule.notice for rule in [*rules, *DEFAULT_LADDER]}
    for name, provider in delivery.providers.items():
        for number, template in enumerate(templates_of(provider)):
            path = f"delivery.providers.{name}.templates[{number}]"
            for place, notice in enumerate(template.notices):
                if notice not in notices:
                    yield f"{path}.notices[{place}]: {_unknown('notice', notice, notices, '`rules`')}"
            yield from _language(path, template.language, country)
            yield from _values(path, template)
    yield from _worded_alike(delivery, rules)


def _worded_alike(delivery: DeliverySettings, rules: Sequence[RuleSettings]) -> Iterator[str]:
    """Notices that rules word differently for different loans, where a cloud would word them all by one template."""
    clouds = {
        channel: name
        for channel, names in delivery.channels.items()
        for name in names
        if name in delivery.providers and templates_of(delivery.providers[name])
    }
    seen: dict[tuple[str, Channel, Role], str] = {}
    for number, rule in enumerate(rules):
        firsts = {seen.setdefault((rule.notice, rule.channel, role), rule.template_name) for role in rule.who}
        if rule.channel in clouds and firsts != {rule.template_name}:
            what = f"{clouds[rule.channel]} has approved templates, and words {rule.notice} by one of them"
            yield f"rules[{number}].template: {what} whichever rule tells it; give this rule a name of its own"


def _language(path: str, language: str, country: str) -> Iterator[str]:
    try:
        babel_locale(language or "en", country)
    except ValueError:
        yield f"{path}.language: {language!r} is no language tag; write one such as zh-CN or en"


def _values(path: str, template: ApprovedTemplateSettings) -> Iterator[str]:
    for param, text in template.params.items():
        if {"{", "}"} & set(PLACEHOLDER.sub("", text)):
            yield f"{path}.params.{param}: a brace is left over; write a value as {{amount_text}}, in small letters"
        for value in names_in(text):
            if value.removeprefix("params.") not in VALUES:
                cure = "`templates list --variables`"
                yield f"{path}.params.{param}: {_unknown('value', value, VALUES, cure)}"


def _unknown(what: str, name: str, known: Iterable[str], cure: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no {what} {name!r}; " + (f"did you mean {str(near[0])!r}?" if near else f"see {cure}")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write an IANA name such as Asia/Shanghai") from None
    return name


MISNAMED = {"RMB": "CNY", "CNH": "CNY", "NTD": "TWD", "STG": "GBP"}
"""What people call currencies that ISO 4217 calls otherwise."""


def known_currency(code: str) -> str:
    """The code of a currency. Raises ValueError, with the cure, for what ISO 4217 does not know."""
    if code in MISNAMED:
        raise ValueError(f"{code} is no ISO 4217 code; write {MISNAMED[code]}")
    if code not in list_currencies():
        raise ValueError(f"{code} is no ISO 4217 code; write one such as CNY, USD or EUR")
    return code


class LenderSettings(Settings):
    """Who speaks."""

    lender_id: str = Field(
        min_length=1,
        max_length=64,
        description="Short stable name of the lender. It is part of every idempotency key: never change it.",
        examples=["anda"],
    )
    name: str = Field(
        min_length=1, description="Name as borrowers know it.", examples=["安达汽车金融有限公司"]
    )
    sign: str = Field(
        min_length=2,
        max_length=16,
        description="Sign that opens every message, without brackets.",
        examples=["安达车贷"],
    )
    hotline: str = Field(
        min_length=3, description="Number that borrowers may call.", examples=["400-000-0000"]
    )
    currency: Annotated[str, AfterValidator(known_currency)] = Field(
        default="CNY",
        pattern=r"^[A-Z]{3}$",
        description="ISO 4217 code; it also says how many decimals money has (JPY none, BHD three).",
        examples=["CNY", "USD"],
    )
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="Asia/Shanghai",
        description="The lender's own time zone: it decides which business date it is.",
        examples=["Asia/Shanghai", "America/Chicago"],
    )
    country: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}$",
        description="Country of phone numbers without a prefix.",
        examples=["CN", "US"],
    )

    def record(self) -> Lender:
        """The same facts as a plain value."""
        return Lender(**self.model_dump())


class ReportSettings(Settings):
    """Where a night leaves its papers."""

    folder: str = Field(
        default="reports",
        description="Folder for rejected rows and the night's report.",
        examples=["reports"],
    )
    metrics_file: str = Field(
        default="",
        description="Prometheus text file written after each run; empty for none.",
        examples=["/var/lib/node_exporter/textfile/carloan_notify.prom"],
    )


def _units(lender: LenderSettings, sources: SourcesSettings, late: DelinquencySettings) -> Units:
    """What `where` is written in; the buckets are those that the lender counts with."""
    columns = where_columns(sources)
    words = {word: name for name in (FIRST_BUCKET, *late.bucket_edges) for word in (name, name.casefold())}
    return Units(
        {**columns, "bucket": replace(columns["bucket"], words=words)}, currency_exponent(lender.currency)
    )


class AppSettings(Settings):
    """Every option of carloan-notify."""

    lender: LenderSettings = Field(description="Who speaks.")
    sources: SourcesSettings = Field(
        description="Where the loan exports are, and how their columns are called."
    )
    schedule: ScheduleSettings = Field(
        default=ScheduleSettings(),
        description="Where due dates and amounts come from, and by which conventions.",
    )
    allocation: AllocationSettings = Field(
        default=AllocationSettings(), description="In which order a payment settles what is owed."
    )
    delinquency: DelinquencySettings = Field(
        default=DelinquencySettings(), description="When a loan is overdue, by how much, and in which bucket."
    )
    payoff: PayoffSettings = Field(
        default=PayoffSettings(),
        description="What an early settlement costs on top (`schedule LOAN_ID --payoff`).",
    )
    due_days: DueDaySettings = Field(
        default=DueDaySettings(), description="How `due-days assign` proposes due days for new loans."
    )
    events: dict[NoticeName, EventSettings] = Field(
        default_factory=dict,
        description="Kinds of events of your own, by the name that rules (`when.event`) call them. Each is told once "
        "for each day it falls on.",
        examples=[{"insurance_expiring": {"words": ["保险到期"]}}],
    )
    rules: list[RuleSettings] = Field(
        default=DEFAULT_LADDER, min_length=1, description="Which notice goes out when, to whom and how."
    )
    policy: PolicySettings = Field(default=PolicySettings(), description="May we, when, and how often.")
    promises: PromisesSettings = Field(
        default=PromisesSettings(),
        description="Promises to pay: who confirms them, for how long they hold, and when they are kept.",
    )
    credit_bureau: CreditBureauSettings = Field(
        default=CreditBureauSettings(),
        description="Who counts as told before negative data is reported (`credit-bureau list`).",
    )
    guards: GuardSettings = Field(
        default=GuardSettings(),
        description="What must be plausible before the first message of a night leaves.",
    )
    messages: MessagesSettings = Field(
        default=MessagesSettings(), description="Templates, lengths and links."
    )
    delivery: DeliverySettings = Field(
        default=DeliverySettings(), description="Providers, rates and retries."
    )
    inbound: InboundSettings = Field(default=InboundSettings(), description="What comes back from providers.")
    certificates: CertificateSettings = Field(
        default=CertificateSettings(), description="Certificates that a loan is settled."
    )
    links: LinkPageSettings = Field(
        default=LinkPageSettings(), description="The page behind the links of messages (`links serve`)."
    )
    ledger: LedgerSettings = Field(default=LedgerSettings(), description="The record of everything sent.")
    reports: ReportSettings = Field(default=ReportSettings(), description="Where a night leaves its papers.")

    @field_validator("schedule")
    @classmethod
    def _currency_of_lender(cls, schedule: ScheduleSettings, info: ValidationInfo) -> ScheduleSettings:
        """The lender's currency decides how many decimals money has; it is not asked for twice."""
        lender = info.data.get("lender")
        return schedule if lender is None else schedule.in_currency(lender.currency)

    @field_validator("rules")
    @classmethod
    def _in_units(cls, rules: list[RuleSettings], info: ValidationInfo) -> list[RuleSettings]:
        """Conditions in the units of the tables. What is wrong is told with all that does not fit."""
        lender, sources, late = (info.data.get(name) for name in ("lender", "sources", "delinquency"))
        if lender is None or sources is None or late is None:
            return rules
        units = _units(lender, sources, late)
        return [
            rule.model_copy(update={"where": where}) if where and not problems else rule
            for rule in rules
            for where, problems in (bound(rule.where, units),)
        ]

    @field_validator("policy")
    @classmethod
    def _with_law(cls, policy: PolicySettings) -> PolicySettings:
        """What the presets say stands in files; the rules of contact themselves read none."""
        return policy.with_law(load_presets(policy.presets))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        approved = approved_problems(self.delivery, self.rules, self.lender.country)
        others = [
            *self._source_problems(),
            *self._sum_problems(),
            *self._push_problems(),
            *self._bureau_problems(),
        ]
        problems = [*self._rule_problems(), *others, *approved]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _rule_problems(self) -> list[str]:
        unserved = [
            f"rules[{number}].channel: delivery.channels names no provider for {rule.channel}; add one"
            for number, rule in enumerate(self.rules)
            if not self.delivery.channels.get(rule.channel)
        ]
        own = [*self._where_problems(), *self._event_problems(), *self._moment_problems()]
        return [*rule_problems(self.rules, self.policy), *unserved, *own]

    def _where_problems(self) -> Iterator[str]:
        """Conditions on columns that no source maps, or that their columns can never meet."""
        units = _units(self.lender, self.sources, self.delinquency)
        for number, rule in enumerate(self.rules):
            yield from (f"rules[{number}].where.{problem}" for problem in bound(rule.where, units)[1])

    def _event_problems(self) -> Iterator[str]:
        """Events of the lender's own that would hide ours, or are called as another one is."""
        taken = {word_key(word): name for name, words in EVENT_TYPES.items() for word in (name, *words)}
        for name, event in self.events.items():
            for word in dict.fromkeys((name, *event.words)):
                other = taken.setdefault(word_key(word), name)
                if other != name or name in EVENT_TYPES:
                    yield f"events.{name}: {word!r} means {other} already; call it otherwise"

    def _moment_problems(self) -> Iterator[str]:
        """Rules that wait for an event or a date which nobody reports."""
        columns = where_columns(self.sources)
        dates = [name for name, each in columns.items() if each.kind is Kind.DATE and each.of is Of.LOAN]
        events = [*EventType, *self.events]
        for number, rule in enumerate(self.rules):
            if rule.when.event and rule.when.event not in events:
                cure = "the names under `events`"
                yield f"rules[{number}].when.event: {_unknown('event', rule.when.event, events, cure)}"
            if rule.when.date and rule.when.date not in dates:
                cure = "`extra` of sources.loans, with kind: date"
                yield f"rules[{number}].when.date: {_unknown('date column', rule.when.date, dates, cure)}"

    def _sum_problems(self) -> Iterator[str]:
        """Sums with more decimals than the lender's currency."""
        tolerance = self.delinquency.tolerance
        for name, amount in (
            ("delinquency.tolerance.amount", tolerance.amount),
            ("delinquency.tolerance.settled_below", tolerance.settled_below),
            ("payoff.fee_fixed", self.payoff.fee_fixed),
        ):
            try:
                self.schedule.minor(amount)
            except ValueError as error:
                yield f"{name}: {error}; write fewer decimals"

    def _push_problems(self) -> Iterator[str]:
        """Providers that are told to push receipts to where they must not come back."""
        for name, provider in self.delivery.providers.items():
            told = (
                provider.push_problem(self.inbound.public_url) if isinstance(provider, WiredSettings) else ""
            )
            if told:
                yield f"inbound.public_url: delivery.providers.{name} is told to push there: {told}"

    def _bureau_problems(self) -> Iterator[str]:
        """A notice that no rule tells: nobody could ever be reported."""
        known = {rule.notice for rule in self.rules}
        for number, name in enumerate(self.credit_bureau.notices):
            if "credit_bureau" in self.model_fields_set and name not in known:
                cure = "name one of the notices of `rules`, or add its rule"
                yield f"credit_bureau.notices[{number}]: no rule tells {name!r}; {cure}"

    def _source_problems(self) -> list[str]:
        problems = []
        if self.schedule.basis == "supplied" and self.sources.installments is None:
            problems.append("sources.installments: schedule.basis is 'supplied', so this table is required")
        if "derived_events" not in self.policy.model_fields_set:
            return problems  # the default derives what the configured tables allow
        needs = {EventType.PAYMENT_RECEIVED: "payments", **dict.fromkeys(FROM_CHANGES, "changes")}
        problems += [
            f"sources.{table}: policy.derived_events holds {event}, so this table is required"
            for event, table in needs.items()
            if event in self.policy.derived_events and getattr(self.sources, table) is None
        ]
        return problems
