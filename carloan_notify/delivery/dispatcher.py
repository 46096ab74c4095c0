"""Sends what the outbox holds. `drain.Drain` does the work; this is the door to it."""

from collections.abc import Collection, Mapping, Sequence

from carloan_notify.delivery.drain import Drain
from carloan_notify.delivery.outbox import Outbox
from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.settings import DeliverySettings
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.delivery.surroundings import Surroundings
from carloan_notify.records import Channel


class Dispatcher:
    """Sends what the outbox holds, through each channel's providers."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[Channel, Sequence[Provider]],
        settings: DeliverySettings,
        surroundings: Surroundings,
    ) -> None:
        """Opens nothing; `settings.providers` gives each provider's pace by its name."""
        self._outbox = outbox
        self._channels = channels
        self._settings = settings
        self._around = surroundings

    def drain(self, channels: Collection[Channel] | None = None) -> DrainSummary:
        """Send all that is due, on these channels or on every one, until none is left or something stops it.

        Raises whatever the outbox or `before_send` raises, after writing down every answer that came and
        putting the unsent back; a provider's bug likewise, with its batch recorded as unknown.
        """
        wanted = (
            self._channels
            if channels is None
            else {c: self._channels[c] for c in channels if c in self._channels}
        )
        return Drain(self._outbox, wanted, self._settings, self._around).run()
