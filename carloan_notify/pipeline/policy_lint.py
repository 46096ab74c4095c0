"""`policy lint`: what presets do to the configured ladder, found without any export by walking it day by day."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import pandas as pd

from carloan_notify.app import App
from carloan_notify.codes import Reason
from carloan_notify.config.presets import PRESETS, load_presets
from carloan_notify.finding_codes import LawFinding
from carloan_notify.inbound.lexicon import ReplyKind
from carloan_notify.messages.context import sample_context
from carloan_notify.messages.render import RenderFailure
from carloan_notify.notices.law import Timetable, Whom
from carloan_notify.notices.law_settings import (
    WEEKDAYS,
    CapSettings,
    Counted,
    Day,
    DutyName,
    Preset,
    PresetDuty,
)
from carloan_notify.notices.settings import PolicySettings, RuleSettings
from carloan_notify.notices.walk import NEVER, OWN, Ladder, ladders, own_day, walk
from carloan_notify.pipeline.inbox import open_lexicon
from carloan_notify.pipeline.policy import KINDS, POLICY, said
from carloan_notify.records import Channel, MessageClass
from carloan_notify.words import Word

FATAL: Final = frozenset(
    {
        LawFinding.STAGE_SUPPRESSED,
        LawFinding.STAGE_DELAYED,
        LawFinding.OPT_OUT_TEXT_MISSING,
        LawFinding.REVOCATION_MISSED,
    }
)
"""Findings that the lender should do something about; the others only tell what binds."""
COLUMNS: Final = ("code", "preset", "place", "message")
_WHERE: Final = {
    False: (" (where nobody answers the calls)", "（电话无人接听时）"),
    True: (" (where the calls are answered)", "（电话已接听时）"),
}


def lint_policy(app: App, names: Sequence[str], language: str) -> list[dict[str, str]]:
    """Findings (COLUMNS) of the named presets, else of the configured ones, else of all; the lender's own come first.

    A stage is told to be late or silent where the walk with the preset alone differs from the walk with the lender's
    own policy. Events are left out: they have no day in the ladder.
    """
    settings = app.settings
    presets = load_presets(names or settings.policy.presets or PRESETS)
    limiting = [preset for preset in presets if preset.hours or preset.caps or preset.cool_offs]
    rows = [*_stages(settings.rules, settings.policy, limiting, _monday(app.business_date()), language)]
    for preset in presets:
        rows += [
            *_looser_hours(settings.policy, preset, language),
            *_looser_caps(settings.policy, preset, language),
        ]
        rows += [*_duties(app, preset, language)]
    return rows


def _monday(today: date) -> date:
    return today + timedelta(days=7 - today.weekday())


def _row(code: LawFinding, preset: str, place: str, language: str, **values: object) -> dict[str, str]:
    return {
        "code": code.value,
        "preset": preset or POLICY,
        "place": place,
        "message": code.sentence(language).format(**values),
    }


# What becomes of the ladder.


def _stages(
    rules: Sequence[RuleSettings],
    policy: PolicySettings,
    presets: Sequence[Preset],
    since: date,
    language: str,
) -> Iterator[dict[str, str]]:
    every = ladders(rules)
    for ladder in every[:MOST_LADDERS]:
        mine = [rules[place] for place in ladder.places]
        for row in _of_ladder(mine, policy, presets, since, language):
            yield {**row, "place": row["place"] + _kind(ladder)}
    if len(every) > MOST_LADDERS:
        left = len(every) - MOST_LADDERS
        yield _row(LawFinding.KINDS_LEFT_OUT, OWN, "rules", language, walked=MOST_LADDERS, left=left)


MOST_LADDERS: Final = 12
"""Each kind of loan is walked by itself, which takes some seconds."""


def _kind(ladder: Ladder) -> str:
    """Of which loans a finding is, where `where` tells them apart; * for any other value."""
    said = ", ".join(f"{name}: {'*' if value is None else value}" for name, value in ladder.kind.items())
    return f" ({said})" if said else ""


def _of_ladder(
    rules: Sequence[RuleSettings],
    policy: PolicySettings,
    presets: Sequence[Preset],
    since: date,
    language: str,
) -> Iterator[dict[str, str]]:
    found = walk(rules, policy, presets, since)
    usual = found[found["preset"] == OWN].set_index(["answered", "due_on", "rule_no"])["days_late"]
    stages = dict.fromkeys(zip(found["preset"].tolist(), found["rule_no"].tolist(), strict=True))
    for preset, number in stages:
        rows = found[(found["preset"] == preset) & (found["rule_no"] == number)]
        worse = rows if preset == OWN else _worse(rows, usual)
        bad = worse[worse["days_late"] != 0]
        if len(bad):
            yield _stage(rules[number], preset, rows, bad, language)


def _worse(rows: pd.DataFrame, usual: pd.Series) -> pd.DataFrame:
    """Those in which the preset changes what the lender's own policy would do."""
    before = usual.reindex(pd.MultiIndex.from_frame(rows[["answered", "due_on", "rule_no"]])).to_numpy()
    worse: pd.DataFrame = rows[rows["days_late"].to_numpy() != before]
    return worse


def _stage(
    rule: RuleSettings, preset: str, rows: pd.DataFrame, bad: pd.DataFrame, language: str
) -> dict[str, str]:
    """One finding of a stage: always, always where the calls go one way, or on some days."""
    place = f"{rule.notice} {rule.channel}"
    reasons = [Reason(code) for code in bad["reason"] if code]
    why = (reasons[0] if reasons else LawFinding.CLOSED_DAY).sentence(language)
    whole = [
        answered
        for answered in (False, True)
        if 0 < (rows["answered"] == answered).sum() == (bad["answered"] == answered).sum()
    ]
    when = "" if set(whole) == set(rows["answered"]) else _when(whole, language)
    if not whole:
        day = own_day(rule, bad["due_on"].iloc[0].date())
        name = Word(WEEKDAYS[day.weekday()].value).sentence(language)
        return _row(LawFinding.STAGE_SOMETIMES, preset, place, language, day=name, when="", why=why)
    late = bad.loc[bad["answered"].isin(whole), "days_late"]
    if (late == NEVER).all():
        return _row(LawFinding.STAGE_SUPPRESSED, preset, place, language, when=when, why=why)
    days = _span(sorted({int(day) for day in late if day != NEVER}))
    return _row(LawFinding.STAGE_DELAYED, preset, place, language, days=days, when=when, why=why)


def _span(days: Sequence[int]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]}-{days[-1]}"


def _when(whole: Sequence[bool], language: str) -> str:
    english, chinese = _WHERE[whole[0]] if whole else ("", "")
    return chinese if language.startswith("zh") else english


# Where the lender's own policy is looser, and a preset binds.


def _looser_hours(policy: PolicySettings, preset: Preset, language: str) -> Iterator[dict[str, str]]:
    alone = policy.with_law([preset.model_copy(update={"regions": ()})])
    own = policy.with_law([])
    for channel, message_class in KINDS:
        if not any(entry.covers(channel, message_class) for entry in preset.hours):
            continue
        whom = Whom(channel, message_class, preset.countries[0], "", 0, agreed=False)
        mine, both = Timetable(own, whom), Timetable(alone, whom)
        pairs = [*zip(Day, mine.weekly(), both.weekly(), strict=False)]  # the last day is no weekday
        holiday = (Day.HOLIDAY, mine.on_holidays()[0], both.on_holidays()[0])
        if holiday[1:] != pairs[0][1:]:  # else Monday says it already
            pairs.append(holiday)
        changed = [pair for pair in pairs if pair[1] != pair[2]]
        for (wide, narrow), days in groupby(changed, key=itemgetter(1, 2)):
            names = [Word(day.value).sentence(language) for day, *_ in days]
            kind = f"{message_class} {channel}"
            told = {"own": said(wide), "bound": said(narrow), "day": _run(names)}
            yield _row(LawFinding.HOURS_LOOSER, preset.name, "policy.hours", language, kind=kind, **told)


def _run(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}"


def _looser_caps(policy: PolicySettings, preset: Preset, language: str) -> Iterator[dict[str, str]]:
    for cap in preset.caps:
        if not any(_as_strict(own, cap) for own in policy.caps):
            kind = " ".join(filter(None, [cap.message_class or "", cap.channel or ""]))
            yield _row(
                LawFinding.CAP_LOOSER,
                preset.name,
                "policy.caps",
                language,
                kind=kind,
                limit=cap.limit,
                days=cap.days,
                per=Word(cap.per.value).sentence(language),
            )


def _as_strict(own: CapSettings, cap: CapSettings) -> bool:
    """Whether a cap of the lender never lets more through than this one."""
    covers = own.channel in {None, cap.channel} and own.message_class in {None, cap.message_class}
    counts = own.counts is Counted.ATTEMPTS or own.counts is cap.counts
    return covers and counts and own.per is cap.per and own.days >= cap.days and own.limit <= cap.limit


# What presets ask besides, as far as it can be looked at.


def _duties(app: App, preset: Preset, language: str) -> Iterator[dict[str, str]]:
    for duty in preset.duties:
        if duty.duty is DutyName.OPT_OUT_TEXT:
            yield from _without_opt_out(app, preset, duty, language)
        elif duty.duty is DutyName.REVOCATION:
            yield from _not_opt_outs(app, preset, duty, language)


def _without_opt_out(app: App, preset: Preset, duty: PresetDuty, language: str) -> Iterator[dict[str, str]]:
    """Collection texts of the ladder that tell no way out, in any language that has templates."""
    templates = app.templates()
    texts = {
        rule.template_name
        for rule in app.settings.rules
        if rule.channel is Channel.SMS and rule.message_class is MessageClass.COLLECTION
    }
    for tag in templates.languages:
        for name in sorted(texts):
            rendered = templates.render(name, tag, Channel.SMS.value, sample_context(tag))
            if isinstance(rendered, RenderFailure):
                continue  # `templates lint` tells of it, and nothing is sent
            if not any(word in rendered.text.casefold() for word in duty.words):
                words = ", ".join(duty.words)
                yield _row(
                    LawFinding.OPT_OUT_TEXT_MISSING, preset.name, f"{name} {tag}", language, words=words
                )


def _not_opt_outs(app: App, preset: Preset, duty: PresetDuty, language: str) -> Iterator[dict[str, str]]:
    lexicon = open_lexicon(app)
    for word in duty.words:
        if lexicon.read(word).kind is not ReplyKind.OPT_OUT:
            yield _row(LawFinding.REVOCATION_MISSED, preset.name, "inbound.lexicon_file", language, word=word)


def is_fatal(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether there is a finding that the lender should do something about."""
    return any(row["code"] in FATAL for row in rows)
