"""A provider from somebody else's installed package."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.app import system_clock
from carloan_notify.config.example import sample_values
from carloan_notify.config.load import validate
from carloan_notify.config.model import AppSettings
from carloan_notify.delivery.registry import (
    PROVIDER_TYPES,
    build_provider,
    provider_types,
)
from carloan_notify.delivery.testing import check_provider
from carloan_notify.errors import ConfigError
from carloan_notify.records import Channel, Outcome
from tests.unit.delivery.world import START, message

PACKAGE = """
from typing import ClassVar, Literal

from pydantic import Field

from carloan_notify.delivery.provider import Capabilities, CheckResult, ReceiptMode, Refused, ReturnPage, CheckVerdict
from carloan_notify.delivery.provider import LookUp, MessageFate, ProviderSettings
from carloan_notify.records import Outcome, SendResult


class PigeonSettings(ProviderSettings):
    adapter: ClassVar[str] = "pigeon_post:Pigeon"
    type: Literal["pigeon"] = Field(description="By pigeon.")
    loft: str = Field(description="Where it lives.")


class Pigeon:
    batch_limit = 3
    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.NONE)

    def __init__(self, name, settings, *, clock):
        self.name, self.channels, self._loft = name, settings.serves, settings.loft

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


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `pigeon-post` 1.0, as an installer leaves it."""
    (tmp_path / "pigeon_post.py").write_text(PACKAGE, encoding="utf-8")
    info = tmp_path / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{PROVIDER_TYPES}]\npigeon = pigeon_post:PigeonSettings\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("pigeon_post", None)


def values(**options: object) -> dict[str, Any]:
    sample = sample_values()
    sample["delivery"]["providers"]["post"] = {"type": "pigeon", **options}
    return sample


def test_it_is_built_from_the_configuration_and_keeps_the_contract() -> None:
    settings = AppSettings.model_validate(values(loft="north")).delivery.providers["post"]
    provider = build_provider("post", settings, system_clock)
    assert provider.name == "post"
    assert provider.channels == {Channel.SMS}
    (only,) = provider.send([message(1)])
    assert (only.outcome, only.provider_ref) == (Outcome.ACCEPTED, f"north-{message(1).message_id}")
    assert check_provider(provider, message(1), START) == []
    assert "pigeon" in provider_types()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lofts": "south", "loft": "north"}, r"delivery\.providers\.post\.lofts: unknown option"),
        ({}, r"delivery\.providers\.post\.loft: is required"),
        (
            {"type": "dove"},
            r"delivery\.providers\.post: there is no type 'dove' of provider; write one of .*pigeon",
        ),
    ],
)
def test_its_options_are_checked_like_our_own(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        validate(values(**options), source=Path("c.yaml"))
