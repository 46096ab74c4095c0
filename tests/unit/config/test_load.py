"""Reading the configuration: all problems at once, each with its dotted path and a cure."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.config.example import sample_values
from carloan_notify.config.load import load_settings, option_names, read_yaml, validate
from carloan_notify.errors import ConfigError

HERE = Path("config.yaml")


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(**sections: Any) -> dict[str, Any]:
    """The sample with options changed inside its sections."""
    values = sample_values()
    for name, options in sections.items():
        values[name] = {**values.get(name, {}), **options} if isinstance(options, dict) else options
    return values


def problems(values: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        validate(values, source=HERE)
    return caught.value.problems


def test_sample_loads(tmp_path: Path) -> None:
    loaded = load_settings(write(tmp_path, yaml.safe_dump(sample_values(), allow_unicode=True)), {})
    assert loaded.lender.record().sign == "安达车贷"
    assert len(loaded.rules) == 28


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no options; start from `carloan-notify config example`"),
        ("- a\n- b", "holds no options"),
        ("lender: {", "not valid YAML"),
        ("lender: {}\nlender: {}", "line 2: 'lender' is given twice; keep one"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_file_that_is_no_configuration(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml") as caught:
        read_yaml(write(tmp_path, content))
    assert said in str(caught.value)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; make one with `carloan-notify init`"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"lender: \xe9\xff")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8 text"):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


def test_byte_order_mark_is_no_option(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbflender: {}")
    assert read_yaml(tmp_path / "bom.yaml") == {"lender": {}}


# --- environment --------------------------------------------------------------------------------------------


def test_values_come_from_the_environment(tmp_path: Path) -> None:
    values = changed(lender={"name": "${NAME} & ${NAME}"}, policy={"no_contact_dates": ["${DAY}"]})
    path = write(tmp_path, yaml.safe_dump(values, allow_unicode=True))
    loaded = load_settings(path, {"NAME": "Anda", "DAY": "2026-12-25"})
    assert loaded.lender.name == "Anda & Anda"


def test_every_missing_variable_is_named_with_its_place(tmp_path: Path) -> None:
    values = changed(
        lender={"name": "${NAME}", "hotline": "${LINE}"}, rules=[{"notice": "${RULE}", "when": {}}]
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, yaml.safe_dump(values, allow_unicode=True)), {"HOME": "/"})
    assert sorted(caught.value.problems) == [
        "lender.hotline: the environment has no LINE; set it, or use ${file:PATH}",
        "lender.name: the environment has no NAME; set it, or use ${file:PATH}",
        "rules[0].notice: the environment has no RULE; set it, or use ${file:PATH}",
    ]


# --- problems -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (changed(lender={"hotlin": "1"}), "lender.hotlin: unknown option; "),
        (changed(guards={"max_row_dorp": 0.5}), "guards.max_row_dorp: unknown option; did you mean 'max_row_drop'?"),
        (changed(zzzzzzzz={"x": 1}), "zzzzzzzz: unknown option; remove it, or see `carloan-notify config schema`"),
        (changed(lender={"timezone": "Mars/Olympus"}), "lender.timezone: 'Mars/Olympus' is no time zone"),
        (changed(lender={"timezone": "../etc/passwd"}), "is no time zone; write an IANA name"),
        (changed(lender={"currency": "yuan"}), "lender.currency: string should match pattern"),
        (changed(guards={"max_row_drop": 2}), "guards.max_row_drop: input should be less than or equal to 1 (given"),
        (changed(rules=[]), "rules: list should have at least 1 item"),
        (changed(rules=[{"notice": "due_today", "when": {}}]), "rules[0].when: give exactly one of"),
        (changed(rules="all"), "rules: input should be a valid list (given: 'all')"),
        (changed(sources={"loans": {"path": "a.csv", "query": "q"}}), "sources.loans: give either `path`"),
        (changed(delivery={"channels": {"sms": ["console"]}}), "delivery.channels names no provider for voice"),
        (changed(delivery={"providers": {"console": {"type": "fax"}}}), "delivery.providers.console"),
        (changed(schedule={"basis": "supplied"}), "sources.installments: schedule.basis is 'supplied'"),
        (changed(schedule="computed"), "schedule: "),
    ],
)  # fmt: skip
def test_problem_has_place_and_cure(values: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems(values)), problems(values)


def test_missing_section_is_named() -> None:
    values = sample_values()
    del values["lender"]
    found = problems(values)
    assert "config.yaml: lender: is required; see `carloan-notify config example`" in found


def test_all_problems_at_once() -> None:
    found = problems(changed(lender={"currency": "yuan", "hotline": ""}, guards={"max_row_drop": 2}, zzz={}))
    assert len(found) == 4
    assert all(problem.startswith("config.yaml: ") for problem in found)


def test_secret_in_a_problem_is_not_repeated() -> None:
    """A value error may quote what it was given; a password in a URL must not come back."""
    values = changed(sources={"loans": {"url": "postgresql://u:hunter2@db/x"}})
    assert not any("hunter2" in problem for problem in problems(values))


def test_number_given_for_a_secret_is_not_repeated() -> None:
    provider = {
        "type": "http",
        "request": {"url": "https://gateway.example/send"},
        "answer": {"code": "code", "codes": {"accepted": ["0"]}},
        "values": {"password": 48151623},
    }
    found = problems(changed(delivery={"providers": {"main": provider}, "channels": {"sms": ["main"]}}))
    assert any("values.password" in line for line in found)
    assert "48151623" not in " ".join(found)


@pytest.mark.parametrize(
    ("event", "table"), [("payment_received", "payments"), ("due_day_changed", "changes")]
)
def test_derived_event_needs_its_table(event: str, table: str) -> None:
    values = changed(policy={"derived_events": [event]})
    del values["sources"][table]
    assert any(
        f"sources.{table}: policy.derived_events holds {event}" in problem for problem in problems(values)
    )
    del values["policy"]["derived_events"]
    validate(values, source=HERE)  # the default derives what the tables allow


@pytest.mark.parametrize(("currency", "digits"), [("CNY", 2), ("JPY", 0), ("BHD", 3), ("IQD", 3), ("UYW", 4)])
def test_decimals_follow_the_currency(currency: str, digits: int) -> None:
    values = changed(lender={"currency": currency})
    assert validate(values, source=HERE).schedule.currency_exponent == digits
    del values["schedule"]
    assert validate(values, source=HERE).schedule.currency_exponent == digits


@pytest.mark.parametrize(("code", "said"), [("RMB", "write CNY"), ("XQQ", "no ISO 4217 code")])
def test_a_currency_that_iso_4217_does_not_know_is_refused_with_its_cure(code: str, said: str) -> None:
    assert any(
        "lender.currency" in text and said in text for text in problems(changed(lender={"currency": code}))
    )


def test_a_sum_finer_than_the_currency_is_told() -> None:
    values = changed(lender={"currency": "JPY"}, delinquency={"tolerance": {"amount": "0.5"}})
    assert any(
        "delinquency.tolerance.amount: 0.5 has more than 0 decimals" in text for text in problems(values)
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@settings(deadline=None, max_examples=50)
@given(section=st.sampled_from(sorted(sample_values())), value=JSON)
def test_whatever_stands_there_gives_settings_or_problems(section: str, value: Any) -> None:
    """Never another exception than the one that lists the problems."""
    with suppress(ConfigError):
        assert validate({**sample_values(), section: value}, source=HERE)


def test_option_names_are_known() -> None:
    assert {"lender", "hotline", "max_row_drop", "first_s"} <= set(option_names())


TWILIO = {
    "type": "twilio",
    "account_sid": "AC" + "0" * 32,
    "auth_token": "made-up-token",
    "sender": "+12025550199",
    "push_secret": "0123456789abcdef",
}
KANNEL = {"type": "kannel", "username": "lender", "password": "x", "push_secret": "0123456789abcdef"}


def pushed_to(address: str, provider: dict[str, Any]) -> dict[str, Any]:
    values = changed(inbound={"public_url": address})
    values["delivery"]["providers"]["main"] = provider
    return values


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://notify.example", "would come back in the clear; use https://"),
        ("https://me:pw@notify.example", "inbound.public_url"),
        ("https://notify.example/?a=1", "inbound.public_url"),
        ("notify.example", "inbound.public_url"),
    ],
)
def test_numbers_and_secrets_do_not_come_back_in_the_clear(address: str, said: str) -> None:
    (problem,) = problems(pushed_to(address, TWILIO))
    assert said in problem
    assert "made-up" not in problem


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("https://notify.example/push", TWILIO),
        ("http://127.0.0.1:8080", TWILIO),
        ("http://notify.example", {**TWILIO, "push_secret": None}),
        ("http://10.0.0.2:8080", KANNEL),
    ],
)
def test_where_receipts_may_come_back_to(address: str, provider: dict[str, Any]) -> None:
    assert validate(pushed_to(address, provider), source=HERE).inbound.public_url == address
