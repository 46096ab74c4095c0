"""Every kind of provider, by the `type` its settings carry. A new one is a folder and one line in `pyproject.toml`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import reduce
from importlib import metadata
from operator import or_
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    TypeAdapter,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from carloan_notify.delivery.gateway.check import problems
from carloan_notify.delivery.gateway.request import names_in
from carloan_notify.delivery.gateway.settings import GatewaySettings
from carloan_notify.delivery.provider import (
    ANSWER_S,
    AnyChannelSettings,
    Provider,
    ProviderSettings,
    WiredSettings,
)
from carloan_notify.records import Channel
from carloan_notify.settings import Settings

# Options of delivery: which providers, how fast, when to stop.


class ConsoleProviderSettings(AnyChannelSettings):
    """Prints messages instead of sending them; every message counts as accepted."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.console:ConsoleProvider"
    type: Literal["console"] = Field(
        description="Prints messages instead of sending them.", examples=["console"]
    )
    reveal: bool = Field(
        default=False,
        description="Print whole phone numbers and texts; else a masked number and the length of the text.",
    )


class HttpProviderSettings(AnyChannelSettings, WiredSettings, GatewaySettings):
    """Any gateway with an HTTP interface, described as data."""

    adapter: ClassVar[str] = "carloan_notify.delivery.gateway.provider:HttpProvider"
    type: Literal["http"] = Field(description="Any gateway with an HTTP interface.", examples=["http"])
    read_timeout_s: float = Field(
        default=ANSWER_S,
        gt=0,
        le=300,
        description="Seconds to wait for an answer; later, it is unknown. A connection may take as long, at most 5 s.",
    )

    @property
    def answer_s(self) -> float:
        """Seconds to wait for an answer."""
        return self.read_timeout_s

    @property
    def asks_values(self) -> bool:
        """Whether its request names them: {params} or {params.NAME}."""
        described = self.model_dump(include={"request", "batch", "signatures"})
        return any(name.partition(".")[0] == "params" for name in names_in(described))

    @model_validator(mode="after")
    def _check(self) -> Self:
        found = problems(self)
        if found:
            raise ValueError("; ".join(found))
        return self


# A kind of provider is found by its name among the entry points of installed packages, ours like any other's, and
# only then imported: a night needs one of them.

PROVIDER_TYPES: Final = "carloan_notify.provider_types"
"""Installed packages offer settings classes here, by the `type` that a configuration writes; `adapter` of each names
what it builds."""
_OWN: Final[Mapping[str, type[ProviderSettings]]] = {
    "console": ConsoleProviderSettings,
    "http": HttpProviderSettings,
}
"""Kinds that belong to no vendor."""


def provider_types() -> list[str]:
    """Every `type` that a configuration may write."""
    return sorted({*_OWN, *metadata.entry_points(group=PROVIDER_TYPES).names})


def settings_class(kind: str) -> type[ProviderSettings] | None:
    """The settings of a `type`, None when no installed package has it. Imports that one alone."""
    if kind in _OWN:
        return _OWN[kind]
    offered = tuple(metadata.entry_points(group=PROVIDER_TYPES, name=kind))
    found: type[ProviderSettings] | None = offered[0].load() if offered else None
    return found


def _of_its_kind(value: object) -> object:
    """Plain options as the settings of their `type`; their problems keep their places."""
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get("type", ""))
    found = settings_class(kind)
    if found is None:
        what = f"there is no type {kind!r} of provider" if kind else "`type` is required"
        raise ValueError(f"{what}; write one of {', '.join(provider_types())}")
    return found.model_validate(value)


class _EveryKind:
    """What the schema for editors says: any of them."""

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        classes = [found for kind in provider_types() if (found := settings_class(kind)) is not None]
        union: Any = Annotated[reduce(or_, classes), Field(discriminator="type")]
        adapter: TypeAdapter[Any] = TypeAdapter(union)
        return handler(adapter.core_schema)


AnyProviderSettings = Annotated[SerializeAsAny[ProviderSettings], BeforeValidator(_of_its_kind), _EveryKind()]


class CanarySettings(Settings):
    """A few messages go first; their results decide whether the rest follows."""

    size: int = Field(default=20, ge=0, description="Messages that go first; 0 switches it off.")
    min_accept_share: float = Field(
        default=0.8, ge=0, le=1, description="Share of them that must be accepted."
    )


class BreakerSettings(Settings):
    """When a provider is left alone for a while."""

    consecutive_errors: int = Field(
        default=10, ge=1, description="Failed requests in a row that open the breaker."
    )
    error_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of failed requests in a full window that opens it; 1: every one of them. Whichever "
        "comes first, this or `consecutive_errors`.",
    )
    window: int = Field(default=50, ge=2, description="Requests over which the share is taken.")
    open_seconds: float = Field(
        default=60, gt=0, description="Seconds before one request tries the provider again."
    )


class RetrySettings(Settings):
    """When a message that certainly was not sent is tried again; the notice's own expiry is the deadline."""

    first_s: float = Field(default=5, gt=0, description="Seconds before the first retry.")
    longest_s: float = Field(default=1800, gt=0, description="Longest wait in seconds.")
    wait_within_s: float = Field(
        default=30,
        ge=0,
        description="A `send` waits for retries due within so many seconds; others wait for the next.",
    )


class DeliverySettings(Settings):
    """How messages leave."""

    channels: dict[Channel, list[str]] = Field(
        default={Channel.SMS: ["console"], Channel.VOICE: ["console"]},
        description="Providers of each channel, by preference. A later one takes only what an earlier one "
        "certainly did not send.",
        examples=[{"sms": ["main", "spare"], "voice": ["main_voice"]}],
    )
    providers: dict[str, AnyProviderSettings] = Field(
        default={"console": ConsoleProviderSettings(type="console", channels=[Channel.SMS, Channel.VOICE])},
        description="Every provider, by a name of your choice.",
    )
    canary: CanarySettings = Field(default=CanarySettings(), description="A few messages go first.")
    breaker: BreakerSettings = Field(default=BreakerSettings(), description="When a provider is left alone.")
    retry: RetrySettings = Field(default=RetrySettings(), description="When a message is tried again.")
    hold_back_minutes: float = Field(
        default=30,
        ge=0,
        description="Minutes before the end of its contact hours in which a message no longer leaves by a provider "
        "that cannot be told until when it may arrive (`bounds_delivery` no in `providers list`): what waits in the "
        "provider's queue would arrive at night. Another provider of the channel takes it, or it expires. Longer than "
        "the queue of your gateway at its worst.",
    )
    kill_switch_file: str = Field(
        default="STOP",
        description="While this file exists nothing leaves; it is looked for before every batch.",
        examples=["STOP", "/run/carloan-notify/stop"],
    )

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = [
            f"channels.{channel}: {what}"
            for channel, names in self.channels.items()
            for name in names
            if (what := self._fault(channel, name))
        ]
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def asking_values(self) -> frozenset[Channel]:
        """Channels of which some provider needs the values of templates (`ProviderSettings.asks_values`)."""
        return frozenset(
            channel
            for channel, names in self.channels.items()
            if any(self.providers[name].asks_values for name in names)
        )

    @property
    def used(self) -> list[str]:
        """Names of the providers that some channel lists, each once."""
        return sorted({name for names in self.channels.values() for name in names})

    def _fault(self, channel: Channel, name: str) -> str:
        provider = self.providers.get(name)
        if provider is None:
            return f"no provider is called {name!r}; add it under `providers` or correct the name"
        if channel not in provider.serves:
            own = isinstance(provider, AnyChannelSettings)
            cure = f"add {channel} to its `channels`" if own else "name one that does"
            return f"provider {name!r} does not serve {channel}; {cure}"
        return ""


Clock = Callable[[], datetime]


def build_provider(name: str, settings: ProviderSettings, clock: Clock, public_url: str = "") -> Provider:
    """The provider that these settings describe; opens no connection yet.

    `clock` gives aware UTC; `public_url` is `inbound.public_url`.
    """
    build: Callable[..., Provider] = resolve_name(settings.adapter)
    if isinstance(settings, WiredSettings) and (push_url := settings.push_url(public_url, name)):
        return build(name, settings, clock=clock, push_url=push_url)
    return build(name, settings, clock=clock)


def build_channels(
    settings: DeliverySettings, clock: Clock, public_url: str = ""
) -> dict[Channel, list[Provider]]:
    """Providers of each channel, by preference; one that serves two channels is one object."""
    built = {
        name: build_provider(name, settings.providers[name], clock, public_url) for name in settings.used
    }
    return {channel: [built[name] for name in names] for channel, names in settings.channels.items()}
