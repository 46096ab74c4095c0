"""Every kind of provider, by the `type` its settings carry. A new one is a folder and one line here."""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module, metadata
from typing import Final

from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.settings import AnyProviderSettings, DeliverySettings, EntryPointSettings
from carloan_notify.errors import ConfigError
from carloan_notify.records import Channel

Clock = Callable[[], datetime]

ENTRY_POINTS: Final = "carloan_notify.providers"
"""Installed packages offer providers here: a callable
`(name: str, settings: EntryPointSettings, *, clock: Callable[[], datetime]) -> Provider`."""

_HERE: Final = "carloan_notify.delivery.providers"
PROVIDERS: Final[Mapping[str, tuple[str, str]]] = {
    "console": (f"{_HERE}.console", "ConsoleProvider"),
    "http": (f"{_HERE}.http", "HttpProvider"),
    "aliyun": (f"{_HERE}.aliyun.sms", "AliyunSms"),
    "aliyun_voice": (f"{_HERE}.aliyun.voice", "AliyunVoice"),
    "tencent": (f"{_HERE}.tencent.sms", "TencentSms"),
    "tencent_voice": (f"{_HERE}.tencent.voice", "TencentVoice"),
    "huawei": (f"{_HERE}.huawei.sms", "HuaweiSms"),
    "twilio": (f"{_HERE}.twilio.sms", "TwilioSms"),
    "twilio_voice": (f"{_HERE}.twilio.voice", "TwilioVoice"),
    "kannel": (f"{_HERE}.kannel.sms", "KannelSms"),
    "smpp": (f"{_HERE}.smpp.sms", "SmppSms"),
}
"""Type → module and class; imported when used, because a night needs one of them and smpp needs an extra."""


def build_provider(name: str, settings: AnyProviderSettings, clock: Clock) -> Provider:
    """The provider that these settings describe; opens no connection yet. `clock` gives aware UTC.

    Raises:
        ConfigError: it comes from a package that is not installed.
    """
    if isinstance(settings, EntryPointSettings):
        return _from_entry_point(name, settings, clock)
    module, made_by = PROVIDERS[settings.type]
    build: Callable[..., Provider] = getattr(import_module(module), made_by)
    return build(name, settings, clock=clock)


def build_channels(settings: DeliverySettings, clock: Clock) -> dict[Channel, list[Provider]]:
    """Providers of each channel, by preference; one that serves two channels is one object."""
    built = {name: build_provider(name, settings.providers[name], clock) for name in settings.used}
    return {channel: [built[name] for name in names] for channel, names in settings.channels.items()}


def _from_entry_point(name: str, settings: EntryPointSettings, clock: Clock) -> Provider:
    offered = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
    if settings.entry_point not in offered:
        known = ", ".join(sorted(offered)) or "none"
        problem = (
            f"no installed package offers {settings.entry_point!r} in {ENTRY_POINTS} (there is: {known})"
        )
        raise ConfigError(
            [f"delivery.providers.{name}.entry_point: {problem}; install it beside carloan-notify"]
        )
    provider: Provider = offered[settings.entry_point].load()(name, settings, clock=clock)
    return provider
