"""Look at providers and try one before a night depends on them."""

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from carloan_notify.app import App, any_number
from carloan_notify.delivery.approved import choose, template_rules, templates_of
from carloan_notify.delivery.dispatch import engaged
from carloan_notify.delivery.provider import CheckResult, CheckVerdict, ProviderSettings
from carloan_notify.errors import ConfigError
from carloan_notify.ledger import audit
from carloan_notify.loans.calendar import missing_next_year
from carloan_notify.messages.lint import FALLS_BACK
from carloan_notify.messages.render import opening_of
from carloan_notify.pipeline.drafts import message_reference
from carloan_notify.pipeline.inbox import open_lexicon
from carloan_notify.pipeline.templates import Case, cases_of, lint_templates, samples_of
from carloan_notify.records import AuditEvent, Channel, OutboundMessage
from carloan_notify.text import mask_phone

TEST_TEXT = {"zh": "这是一条测试消息，请忽略。", "en": "This is a test message. Please ignore it."}
TEST_LASTS = timedelta(hours=1)
"""How long a test message may take: the provider is tried with everything that it will be told at night."""
CHECK_COLUMNS = ("provider", "what", "verdict", "detail")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message to try a provider with: a notice with sample values, or "" for a plain test text."""

    channel: Channel
    notice: str = ""
    language: str = ""


def provider_rows(app: App) -> list[dict[str, Any]]:
    """One row per configured provider."""
    delivery = app.settings.delivery
    rows = []
    for name, settings in delivery.providers.items():
        provider = app.provider(name)
        places = [
            f"{channel}:{names.index(name) + 1}"
            for channel, names in delivery.channels.items()
            if name in names
        ]
        window = provider.capabilities.look_up_window
        rows.append(
            {
                "name": name,
                "type": settings.type,
                "channels": " ".join(sorted(provider.channels)),
                "in_use": " ".join(places),
                "batch_limit": provider.batch_limit,
                "rate_per_second": settings.rate_per_second or "",
                "receipts": provider.capabilities.receipts.value,
                "look_up": "" if window is None else f"{window.total_seconds() / 3600:g} h",
                "bounds_delivery": "yes" if provider.capabilities.bounds_delivery else "no",
            }
        )
    return rows


def check_providers(app: App, names: Sequence[str] = ()) -> list[dict[str, str]]:
    """Look at credentials, clocks, signs and templates without sending; every provider, or those named.

    Returns rows of `CHECK_COLUMNS`; a verdict is ok, wrong or untold.

    Raises:
        ConfigError: no such provider.
    """
    rows = []
    for name in names or app.settings.delivery.providers:
        settings = _settings(app, name)
        results = [*app.provider(name).check(), *_templates(app, name, settings)]
        rows += [
            {"provider": name, "what": r.what, "verdict": r.verdict.value, "detail": r.detail}
            for r in results
        ]
    return rows


def try_provider(app: App, name: str, phone: str, wanted: Wanted) -> dict[str, Any]:
    """Send one message through one provider, outside the outbox; audited before and after, the number masked.

    Raises:
        ConfigError: the kill-switch file is there, `phone` is no number, no such provider, it does not serve the
            channel, or it needs a notice that has words.
    """
    stop = app.path(app.settings.delivery.kill_switch_file)
    if engaged(stop):
        raise ConfigError([f"{stop}: the kill switch is on, so nothing is sent; remove the file first"])
    settings, phone = _settings(app, name), _number(app, phone)
    provider = app.provider(name)
    if wanted.channel not in provider.channels:
        raise ConfigError([f"delivery.providers.{name}: does not serve {wanted.channel}"])
    if settings.type in template_rules() and not wanted.notice:
        known = ", ".join(sorted({n for template in templates_of(settings) for n in template.notices}))
        what = f"sends approved templates only; choose one with --notice ({known or 'it has none yet'})"
        raise ConfigError([f"delivery.providers.{name}: {what}"])
    message = replace(_sample(app, wanted), phone=phone, expires_at=app.clock() + TEST_LASTS)
    with app.open_ledger(create=True) as ledger:
        about = {"phone": mask_phone(phone), "channel": wanted.channel.value, "message": message.message_id}
        with ledger.write() as tx:
            audit.append(tx, [AuditEvent("provider.test_begun", name, about)], app.clock())
        result = provider.send([message])[0]
        data = {**about, "outcome": result.outcome.value, "code": result.code}
        with ledger.write() as tx:
            audit.append(tx, [AuditEvent("provider.tested", name, data)], app.clock())
    return {
        "outcome": result.outcome.value,
        "code": result.code,
        "provider_ref": result.provider_ref,
        "detail": result.detail,
    }


def _number(app: App, phone: str) -> str:
    found = any_number(app, phone)
    if found.error:
        raise ConfigError([f"--to: {found.error}; write it as +8613800138000"])
    return found.e164


def _settings(app: App, name: str) -> ProviderSettings:
    providers = app.settings.delivery.providers
    if name not in providers:
        raise ConfigError(
            [f"delivery.providers: no provider is called {name!r}; there is {', '.join(sorted(providers))}"]
        )
    return providers[name]


def _templates(app: App, name: str, settings: ProviderSettings) -> Iterator[CheckResult]:
    """Whether approved templates word everything that the provider may be handed."""
    channels = [channel for channel, names in app.settings.delivery.channels.items() if name in names]
    if settings.type not in template_rules() or not channels:
        return
    templates = templates_of(settings)
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in cases_of(app.settings.rules, app.templates(), channels):
        if choose(templates, case.message()) is None:
            missing[case.notice, case.language].append(case.whom)
    for (notice, language), whom in missing.items():
        detail = f"no template words {notice} in {language} to {' and '.join(whom)}"
        yield CheckResult("templates", CheckVerdict.WRONG, detail)
    if not missing:
        yield CheckResult("templates", CheckVerdict.OK, "every notice of its channels has one")


def _sample(app: App, wanted: Wanted) -> OutboundMessage:
    language = wanted.language or app.settings.messages.default_language
    opening = opening_of(language, wanted.channel, app.lender)
    text = TEST_TEXT.get(language.split("-")[0], TEST_TEXT["en"])
    plain = OutboundMessage(
        message_id=message_reference("providers test", secrets.token_hex(16)),
        channel=wanted.channel,
        notice=wanted.notice or "test",
        language=language,
        phone="",
        text=opening + text,
        params={},
    )
    if not wanted.notice:
        return plain
    sample = next(samples_of(_case(app, wanted, language), app.templates()))
    if sample.failure:
        raise ConfigError([f"templates: {wanted.notice}: {sample.failure}"])
    return replace(plain, text=opening + sample.ours, params=sample.message.params)


def _case(app: App, wanted: Wanted, language: str) -> Case:
    """The notice as a borrower with one loan gets it, else as its first recipient does."""
    cases = list(cases_of(app.settings.rules, app.templates(), [wanted.channel]))
    for case in cases:
        if (case.notice, case.language) == (wanted.notice, language):
            return case
    known = ", ".join(dict.fromkeys(case.notice for case in cases if case.language == language))
    raise ConfigError(
        [
            f"rules: no rule sends {wanted.notice!r} by {wanted.channel} in {language}; there is {known or 'none'}"
        ]
    )


# Check a set-up before the first night needs it.


def check_setup(app: App) -> Iterator[str]:
    """One line per thing that is in order, then one per thing that a person has to do soon.

    Raises:
        ConfigError: with everything that is not.
    """
    yield f"options: {len(app.settings.rules)} rules, basis {app.settings.schedule.basis}"
    found = [(row["code"], f"templates: {row['place']}: {row['message']}") for row in lint_templates(app)]
    problems = [said for code, said in found if code != FALLS_BACK]
    problems += _key_problems(app)
    problems += _lexicon_problems(app)
    if problems:
        raise ConfigError(problems)
    yield "templates: no findings" if not found else "templates: nothing wrong"
    yield "keys: present and private"
    yield f"lexicon of replies: {len(open_lexicon(app))} rules"
    yield from (said for code, said in found if code == FALLS_BACK)
    yield from missing_next_year(app.settings.schedule, app.business_date())


def _key_problems(app: App) -> list[str]:
    settings = app.settings.ledger
    names = (settings.key_file, settings.signing_key_file)
    return [
        f"ledger: {app.path(name)}: no such key file; run `carloan-notify ledger migrate` for a new ledger"
        for name in names
        if not app.path(name).exists()
    ]


def _lexicon_problems(app: App) -> list[str]:
    try:
        open_lexicon(app)
    except ConfigError as error:
        return list(error.problems)
    return []
