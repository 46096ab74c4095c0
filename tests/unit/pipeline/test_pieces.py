"""The small pure pieces of the use cases."""

import base64
import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.app import business_date, rehearsal_clock, system_clock
from carloan_notify.codes import Reason, RenderCode
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.errors import ConfigError
from carloan_notify.ledger.intake import EnqueueResult
from carloan_notify.messages.render import RenderFailure
from carloan_notify.notices.policy import DECISION_COLUMNS
from carloan_notify.pipeline.decision_rows import why
from carloan_notify.pipeline.drafts import hold_failures, message_reference
from carloan_notify.pipeline.facts import content_digest, cost_minor
from carloan_notify.pipeline.happenings import decimal_text
from carloan_notify.pipeline.night import LEFT_OUT, RACED, adjust
from carloan_notify.pipeline.plan import (
    RECENT_COLUMNS,
    blank_memory,
)
from carloan_notify.pipeline.setup import init_folder, make_simulator
from carloan_notify.pipeline.upkeep import verify_record
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import Channel
from carloan_notify.sources.read import Table


def decisions(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Decisions (without their instants) that hold what the rows give and are blank otherwise."""
    columns = {name: kind for name, kind in DECISION_COLUMNS.items() if "UTC" not in kind}
    blank = frames.blank_row(columns)
    return pd.DataFrame([{**blank, **row} for row in rows]).astype(columns)


QUEUED = {"idempotency_key": "a", "decision": "queued"}
MERGED = {"idempotency_key": "b", "decision": "suppressed", "reason": "merged", "merged_into": "a"}
OTHER = {"idempotency_key": "c", "decision": "queued"}


def told(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(zip(frame["decision"], frame["reason"], frame["merged_into"], strict=True))


def test_what_cannot_be_worded_is_held_with_what_it_would_have_told() -> None:
    failures = {"a": RenderFailure(RenderCode.EMPTY, "en/x.sms.j2: empty; write text")}
    held = hold_failures(decisions(QUEUED, MERGED, OTHER), failures)
    empty = RenderCode.EMPTY.value
    assert told(held) == [("held", empty, ""), ("held", empty, ""), ("queued", "", "")]
    assert told(hold_failures(held, {})) == told(held)


def test_what_the_ledger_refused_at_the_last_moment() -> None:
    before = decisions(QUEUED, MERGED, OTHER)
    after = adjust(before, EnqueueResult(1, already=("b",), left_out=("a",)))
    assert told(after) == [("held", LEFT_OUT, ""), ("already_sent", RACED, ""), ("queued", "", "")]
    assert told(before)[0] == ("queued", "", "")
    assert adjust(before, EnqueueResult(2)) is before


@given(st.text(), st.text())
def test_references_are_what_every_provider_takes(run_id: str, key: str) -> None:
    reference = message_reference(run_id, key)
    assert len(reference) == 26
    digest = hashlib.sha256(f"{run_id}|{key}".encode()).digest()
    assert reference == base64.b32encode(digest).decode()[:26]
    assert reference == message_reference(run_id, key) != message_reference(run_id + "x", key)


@given(st.integers(-(10**15), 10**15), st.integers(0, 4))
def test_decimal_text(minor: int, digits: int) -> None:
    assert Decimal(decimal_text(minor, digits)) * 10**digits == minor


def test_reasons_have_sentences() -> None:
    assert why(Reason.OPTED_OUT) == Reason.OPTED_OUT.sentence("en")
    assert why("template_endless") == "template endless"


def test_a_frames_date_is_a_plain_one_or_none() -> None:
    assert day_or_none(pd.Timestamp("2026-11-23")) == date(2026, 11, 23)
    assert day_or_none(cast("pd.Timestamp", pd.NaT)) is None


# --- clock --------------------------------------------------------------------------------------------------


def test_clocks_are_aware() -> None:
    assert system_clock().tzinfo is UTC
    start = datetime.fromisoformat("2026-11-23T02:00:00+08:00")
    clock = rehearsal_clock(start)
    first, second = clock(), clock()
    assert first.utcoffset() == timedelta(0)
    assert start <= first <= second < start + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("zone", "day"), [("Asia/Shanghai", 23), ("UTC", 22), ("America/Chicago", 22), ("Pacific/Kiritimati", 23)]
)
def test_business_date_is_the_lenders(zone: str, day: int) -> None:
    assert business_date(datetime(2026, 11, 22, 18, 0, tzinfo=UTC), zone) == date(2026, 11, day)


# --- facts --------------------------------------------------------------------------------------------------


def test_cost_is_segments_times_the_first_providers_price() -> None:
    console = {"type": "console", "channels": ["sms", "voice"]}
    delivery = DeliverySettings.model_validate(
        {
            "channels": {"sms": ["cheap", "dear"], "voice": ["dear"]},
            "providers": {
                "cheap": {**console, "unit_price_minor": "4.5"},
                "dear": {**console, "unit_price_minor": "10"},
            },
        }
    )
    assert cost_minor({Channel.SMS: 3, Channel.VOICE: 1}, delivery) == 24  # 13.5 + 10, half up
    assert cost_minor({}, delivery) == 0


def table(name: str, *digests: str) -> Table:
    return cast(
        "Table", SimpleNamespace(name=name, files=[SimpleNamespace(sha256=digest) for digest in digests])
    )


def test_digest_tells_any_change_of_content_apart() -> None:
    one = content_digest([table("loans", "a"), table("payments", "b")])
    assert one == content_digest([table("payments", "b"), table("loans", "a")])
    others = [
        content_digest([table("loans", "a")]),
        content_digest([table("loans", "b"), table("payments", "a")]),
        content_digest([table("loans", "a"), table("payments", "c")]),
    ]
    assert len({one, *others}) == 4
    assert len(one) == hashlib.sha256().digest_size * 2


def test_nothing_is_remembered_without_a_ledger() -> None:
    memory = blank_memory()
    assert memory.known_keys(["a"]) == set()
    assert (memory.phone_hash("p"), memory.customer_ref("c")) == ("p", "c")
    assert memory.recorded.suppressions.empty
    assert memory.recorded.about(["C1"]).holds.empty
    assert list(memory.recent) == list(RECENT_COLUMNS)
    assert memory.history == ()


# --- set-up -------------------------------------------------------------------------------------------------


def test_init_makes_everything_or_nothing(tmp_path: Path) -> None:
    made = init_folder(tmp_path / "new")
    assert all(path.exists() for path in made)
    other = tmp_path / "other"
    (other / "templates").mkdir(parents=True)
    (other / "config.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        init_folder(other)
    assert len(caught.value.problems) == 2
    assert sorted(path.name for path in other.iterdir()) == ["config.yaml", "templates"]


def test_simulator_without_faults_takes_everything() -> None:
    simulator = make_simulator(0, 1, None)
    serving = threading.Thread(target=simulator.stop)
    assert simulator.url.startswith("http://127.0.0.1:")
    assert simulator.gateway.faults.rejected == 0
    serving.start()
    serving.join(timeout=10)
    assert not serving.is_alive()


def test_verifying_needs_something_to_verify() -> None:
    with pytest.raises(ValueError, match="give an app or an export"):
        verify_record(None, None, None)
