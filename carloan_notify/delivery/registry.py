"""Every kind of provider, by the `type` its settings carry. A new one is one file and one line here."""

from collections.abc import Callable, Mapping
from typing import Final

from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.providers.console import ConsoleProvider
from carloan_notify.delivery.providers.http import HttpProvider
from carloan_notify.delivery.settings import AnyProviderSettings, DeliverySettings
from carloan_notify.records import Channel

PROVIDERS: Final[Mapping[str, Callable[..., Provider]]] = {
    "console": ConsoleProvider,
    "http": HttpProvider,
}


def build_provider(name: str, settings: AnyProviderSettings) -> Provider:
    """The provider that these settings describe; opens no connection yet."""
    return PROVIDERS[settings.type](name, settings)


def build_channels(settings: DeliverySettings) -> dict[Channel, list[Provider]]:
    """Providers of each channel, by preference; one that serves two channels is one object."""
    used = {name for names in settings.channels.values() for name in names}
    built = {name: build_provider(name, settings.providers[name]) for name in sorted(used)}
    return {channel: [built[name] for name in names] for channel, names in settings.channels.items()}
