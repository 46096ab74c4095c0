"""A rehearsal, with a clock of its own (`--now`), must not reach anybody."""

from urllib.parse import urlsplit

from carloan_notify.delivery.provider_settings import LOOPBACK, ProviderSettings
from carloan_notify.delivery.settings import ConsoleProviderSettings, HttpProviderSettings
from carloan_notify.errors import ConfigError
from carloan_notify.pipeline.build import House


def require_rehearsable(house: House) -> None:
    """Do nothing with the true clock; with another, let no provider in that could reach people.

    Contact hours would be those of the other clock, and what is sent would carry a time at which the provider
    knows nothing of it: asked later, it would say "never arrived", and the message would go twice.

    Raises:
        ConfigError: with every provider of a channel that is neither the console nor on this machine.
    """
    if house.rehearsal is None:
        return
    delivery = house.settings.delivery
    real = [name for name in delivery.used if not _reaches_nobody(delivery.providers[name])]
    if real:
        raise ConfigError(
            [
                f"delivery.providers.{name}: --now is for rehearsals; use the console or the simulator"
                for name in real
            ]
        )


def _reaches_nobody(settings: ProviderSettings) -> bool:
    if isinstance(settings, ConsoleProviderSettings):
        return True
    return isinstance(settings, HttpProviderSettings) and urlsplit(settings.request.url).hostname in LOOPBACK
