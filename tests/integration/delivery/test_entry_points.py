"""A provider from somebody else's installed package."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carloan_notify.app import system_clock
from carloan_notify.config.example import sample_values
from carloan_notify.config.load import validate
from carloan_notify.config.model import AppSettings
from carloan_notify.delivery.registry import (
    ENTRY_POINTS,
    PROVIDER_TYPES,
    EntryPointSettings,
    build_provider,
    provider_types,
)
from carloan_notify.delivery.testing import check_provider
from carloan_notify.errors import ConfigError
from carloan_notify.records import Channel, Outcome
from tests.unit.delivery.world import START, message

PACKAGE = """
from carloan_notify.delivery.provider import Capabilities, CheckResult, ReceiptMode, Refused, ReturnPage, CheckVerdict
from carloan_notify.delivery.provider import LookUp, MessageFate
from carloan_notify.errors import ConfigError
from carloan_notify.records import Outcome, SendResult


class Pigeon:
    batch_limit = 3
    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.NONE)

    def __init__(self, name, settings, *, clock):
        if "loft" not in settings.options:
            raise ConfigError([f"delivery.providers.{name}.options.loft: is required; name the loft"])
        self.name, self.channels, self._loft = name, frozenset(settings.channels), settings.options["loft"]

    def send(self, batch):
        return [SendResult(m.message_id, Outcome.ACCEPTED, f"{self._loft}-{m.message_id}") for m in batch]

    def look_up(self, inquiries):
        return [LookUp(i.message_id, MessageFate.UNCLEAR) for i in inquiries]

    def batch_key(self, message):
        return ""

    def receive(self, request):
        return Refused(404, "no_push")

    def pull(self, since, cursor):
        return ReturnPage()

    def check(self):
        return [CheckResult("loft", CheckVerdict.OK, self._loft)]
"""

TYPED = """
from types import SimpleNamespace
from typing import ClassVar, Literal
from pydantic import Field
from carloan_notify.delivery.provider import ProviderSettings


class DoveSettings(ProviderSettings):
    adapter: ClassVar[str] = "dove_post:dove"
    type: Literal["dove"] = Field(description="By dove.")
    loft: str = Field(description="Where it lives.")


def dove(name, settings, *, clock):
    return SimpleNamespace(name=f"{name} at {settings.loft}")
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `pigeon-post` 1.0, as an installer leaves it."""
    (tmp_path / "pigeon_post.py").write_text(PACKAGE, encoding="utf-8")
    info = tmp_path / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\npigeon = pigeon_post:Pigeon\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("pigeon_post", None)
    sys.modules.pop("dove_post", None)


def configured(**changes: object) -> EntryPointSettings:
    values = sample_values()
    raw = {"type": "entry_point", "entry_point": "pigeon", "options": {"loft": "north"}, **changes}
    values["delivery"]["providers"]["post"] = raw
    settings = AppSettings.model_validate(values).delivery.providers["post"]
    assert isinstance(settings, EntryPointSettings)
    return settings


def test_it_is_built_from_the_configuration_and_keeps_the_contract() -> None:
    provider = build_provider("post", configured(), system_clock)
    assert provider.name == "post"
    assert provider.channels == {Channel.SMS}
    (only,) = provider.send([message(1)])
    assert (only.outcome, only.provider_ref) == (Outcome.ACCEPTED, f"north-{message(1).message_id}")
    assert check_provider(provider, message(1), START) == []


def test_it_checks_its_own_options() -> None:
    with pytest.raises(ConfigError, match=r"delivery\.providers\.post\.options\.loft: is required"):
        build_provider("post", configured(options={}), system_clock)


def test_it_may_bring_a_type_with_options_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "dove_post.py").write_text(TYPED, encoding="utf-8")
    points = tmp_path / "pigeon_post-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[{PROVIDER_TYPES}]\ndove = dove_post:DoveSettings\n")
    importlib.invalidate_caches()
    values = sample_values()
    values["delivery"]["providers"]["post"] = {"type": "dove", "loft": "south"}
    settings = AppSettings.model_validate(values).delivery.providers["post"]
    assert build_provider("post", settings, system_clock).name == "post at south"
    assert "dove" in provider_types()
    values["delivery"]["providers"]["post"] = {"type": "dove", "lofts": "south"}
    with pytest.raises(ConfigError, match=r"delivery\.providers\.post\.lofts: unknown option"):
        validate(values, source=Path("c.yaml"))


def test_one_that_nobody_offers_is_named_beside_those_that_are() -> None:
    with pytest.raises(ConfigError) as caught:
        build_provider("post", configured(entry_point="dove"), system_clock)
    assert "no installed package offers 'dove' in carloan_notify.providers (there is: pigeon)" in str(
        caught.value
    )
