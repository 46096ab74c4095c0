"""Try a provider before a night depends on it."""

import secrets
from typing import Any

from carloan_notify.delivery.registry import build_provider
from carloan_notify.errors import ConfigError
from carloan_notify.ledger.masking import mask_phone
from carloan_notify.messages.render import opening_of
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.drafts import message_reference
from carloan_notify.records import AuditEvent, Channel, OutboundMessage

TEST_TEXT = {"zh": "这是一条测试消息，请忽略。", "en": "This is a test message. Please ignore it."}


def provider_rows(house: House) -> list[dict[str, Any]]:
    """One row per configured provider."""
    delivery = house.settings.delivery
    rows = []
    for name, settings in delivery.providers.items():
        provider = build_provider(name, settings)
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
            }
        )
    return rows


def try_provider(house: House, name: str, phone: str, channel: str) -> dict[str, Any]:
    """Send one message through one provider, outside the outbox; the try is audited with a masked number.

    Raises:
        ConfigError: no such provider, or it does not serve the channel.
    """
    providers = house.settings.delivery.providers
    if name not in providers:
        raise ConfigError(
            [f"delivery.providers: no provider is called {name!r}; there is {', '.join(sorted(providers))}"]
        )
    provider = build_provider(name, providers[name])
    if Channel(channel) not in provider.channels:
        raise ConfigError([f"delivery.providers.{name}: does not serve {channel}"])
    language = house.settings.messages.default_language
    opening = opening_of(language, Channel(channel), house.settings.messages, house.lender)
    message = OutboundMessage(
        message_id=message_reference("providers test", secrets.token_hex(16)),
        channel=Channel(channel),
        notice="test",
        language=language,
        phone=phone,
        text=opening + TEST_TEXT.get(language.split("-")[0], TEST_TEXT["en"]),
        params={},
    )
    with house.open_ledger(create=True) as ledger:
        result = provider.send([message])[0]
        data = {"phone": mask_phone(phone), "outcome": result.outcome.value, "code": result.code}
        ledger.append_audit([AuditEvent("provider.tested", name, data)], house.clock())
    return {
        "outcome": result.outcome.value,
        "code": result.code,
        "provider_ref": result.provider_ref,
        "detail": result.detail,
    }
