"""Secrets stand in the environment or in private files; every one that does not is named, and none is shown."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from carloan_notify.config.example import sample_values
from carloan_notify.config.load import load_settings
from carloan_notify.config.secrets import Filler, literal_secrets
from carloan_notify.delivery.providers.aliyun.settings import AliyunSettings
from carloan_notify.errors import ConfigError

ALIYUN = {"type": "aliyun", "access_key_id": "N1", "access_key_secret": "${SECRET}"}
HTTP = {
    "type": "http",
    "request": {"url": "https://g.example/s"},
    "answer": {"code": "c", "codes": {"accepted": ["0"]}},
}


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def config(folder: Path, **providers: Any) -> Path:
    channels = {"sms": ["console"], "voice": ["console"]}
    console = {"type": "console", "channels": ["sms", "voice"]}
    delivery = {"channels": channels, "providers": {"console": console, **providers}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**sample_values(), "delivery": delivery}, allow_unicode=True))
    return path


def problems(path: Path, **environment: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environment)
    return caught.value.problems


def test_a_value_comes_from_a_private_file(tmp_path: Path) -> None:
    private(tmp_path / "secrets" / "aliyun", b"hush hush\r\n")
    loaded = load_settings(
        config(tmp_path, main={**ALIYUN, "access_key_secret": "${file:secrets/aliyun}"}), {}
    )
    main = loaded.delivery.providers["main"]
    assert isinstance(main, AliyunSettings)
    assert main.access_key_secret.get_secret_value() == "hush hush"
    assert "hush" not in repr(loaded)


def test_references_stand_anywhere_in_a_text(tmp_path: Path) -> None:
    path = private(tmp_path / "absolute", b"a\n\n")
    filler = Filler(tmp_path / "elsewhere", {"B": "b ${B}"})
    assert filler.fill({"k": [f"<${{file:{path}}}|${{B}}>", "$B ${} ${1}", 5]}) == {
        "k": ["<a|b ${B}>", "$B ${} ${1}", 5]
    }
    assert filler.problems == []


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"hush", 0o640, "others can read it; run: chmod 600 "),
        (b"hush", 0o604, "others can read it"),
        (b"hush", 0o620, "others can read it"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "is not UTF-8 text"),
    ],
)
def test_a_file_that_will_not_do(tmp_path: Path, content: bytes, mode: int, said: str) -> None:
    path = private(tmp_path / "s", content, mode)
    (problem,) = problems(config(tmp_path, main={**ALIYUN, "access_key_secret": "${file:s}"}))
    assert problem.startswith(f"delivery.providers.main.access_key_secret: {path}: {said}")
    assert "hush" not in problem


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    filler = Filler(tmp_path, {})
    assert filler.fill(["${file:none}", "${file:folder}"]) == ["", ""]
    missing, folder = filler.problems
    assert missing.startswith(
        f"[0]: {tmp_path}/none: cannot be read ({os.strerror(2)}); write the value into it"
    )
    assert folder == f"[1]: {tmp_path}/folder: is no file"


def test_every_literal_secret_is_named_at_once(tmp_path: Path) -> None:
    found = problems(
        config(
            tmp_path,
            ali={**ALIYUN, "access_key_secret": "hush", "push_secret": "hush" * 4},
            gate={
                **HTTP,
                "auth": {"type": "basic", "username": "n", "password": "hush"},
                "values": {"k": "hush"},
            },
            wrong={"type": "kannel", "username": "u", "password": "hush", "concurrency": 0},
        )
    )
    named = [line.split(": ")[1] for line in found if "does not belong" in line]
    assert named == [
        "delivery.providers.ali.push_secret",
        "delivery.providers.ali.access_key_secret",
        "delivery.providers.gate.auth.password",
        "delivery.providers.wrong.password",
    ]
    assert any("delivery.providers.wrong.concurrency" in line for line in found)
    assert "hush" not in "".join(found)
    assert "write ${NAME} or ${file:secrets/NAME}" in found[-1]


def test_literals_are_named_beside_a_missing_variable(tmp_path: Path) -> None:
    found = problems(config(tmp_path, a=ALIYUN, b={**ALIYUN, "access_key_secret": "hush"}))
    assert found[0] == (
        "delivery.providers.a.access_key_secret: the environment has no SECRET; set it, or use ${file:PATH}"
    )
    assert "delivery.providers.b.access_key_secret: a secret does not belong" in found[1]


def test_a_literal_alone_is_enough(tmp_path: Path) -> None:
    (only,) = problems(config(tmp_path, b={**ALIYUN, "access_key_secret": "hush"}))
    assert "delivery.providers.b.access_key_secret" in only


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"delivery": 5},
        {"delivery": {"providers": ["a"]}},
        {
            "delivery": {
                "providers": {"a": None, "b": {"type": ["http"]}, "c": {"type": "pigeon", "password": "x"}}
            }
        },
        {
            "delivery": {
                "providers": {"a": {**HTTP, "auth": "basic", "values": {"k": "v"}, "push_secret": ""}}
            }
        },
        {"delivery": {"providers": {"a": {**HTTP, "auth": {"type": "bearer", "token": "Bearer ${T}"}}}}},
    ],
)
def test_what_holds_no_literal(raw: dict[str, Any]) -> None:
    assert literal_secrets(raw) == []


def test_lists_are_looked_into() -> None:
    nested = {**HTTP, "auth": [{"type": "bearer", "token": "hush"}]}
    (only,) = literal_secrets({"delivery": {"providers": {"a": nested}}})
    assert only.startswith("delivery.providers.a.auth[0].token: ")
