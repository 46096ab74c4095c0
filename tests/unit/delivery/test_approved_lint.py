"""Each breach of a provider's rules is found and named; a good template has none."""

from collections.abc import Iterable, Mapping

import pytest

from carloan_notify.delivery.approved import (
    ApprovedFault,
    code_faults,
    kind_of,
    length_faults,
    template_rules,
    text_faults,
    value_faults,
)
from carloan_notify.delivery.provider import ApprovedTemplateSettings
from carloan_notify.delivery.registry import provider_types
from carloan_notify.records import MessageClass

RULES = template_rules()
SERVICE = frozenset({MessageClass.SERVICE})
MARKETING = frozenset({MessageClass.MARKETING})


def codes(faults: Iterable[ApprovedFault]) -> list[tuple[str, str]]:
    told = list(faults)
    assert all(len(fault.message) > 20 for fault in told)
    return [(fault.code, fault.about) for fault in told]


def test_rules_are_for_known_types() -> None:
    assert set(RULES) == {"aliyun", "aliyun_voice", "tencent", "tencent_voice", "huawei"}
    assert set(RULES) <= set(provider_types())


@pytest.mark.parametrize(
    ("kind", "text", "params"),
    [
        (
            "aliyun",
            "${name}您好，应还${amount}，请点击 https://pay.example.com/p/${token} 还款。",
            "name amount token",
        ),
        ("aliyun_voice", "您好，${name}，应还${amount}。", "name amount"),
        ("tencent", "{1}您好，应还{2}。", "a b"),
        ("tencent_voice", "{2}您好，应还{1}。", "a b"),
        ("huawei", "${1}您好，${DATE} ${TIME}应还${MONEY}元。", "a b c d"),
        ("aliyun", "您好，没有变量。", ""),
    ],
)
def test_a_good_text_has_no_fault(kind: str, text: str, params: str) -> None:
    assert codes(text_faults(text, params.split(), RULES[kind], SERVICE)) == []


@pytest.mark.parametrize(
    ("kind", "text", "params", "found"),
    [
        ("aliyun", "您好${x}元${y}日", "x", ("variable_unfilled", "y")),
        ("aliyun", "您好${x}", "x y", ("param_unused", "y")),
        ("huawei", "您好${1}元${2}", "x", ("variable_unfilled", "2")),
        ("tencent", "您好{1}元{3}日", "x y z", ("param_unused", "y")),
        ("aliyun", "您好${mobile}", "mobile", ("variable_name", "mobile")),
        ("aliyun", "您好${1}", "1", ("variable_name", "1")),
        ("huawei", "您好${name}", "x", ("variable_name", "name")),
        ("tencent", "您好{0}", "x", ("variable_name", "0")),
        ("aliyun", "您好${x}元${x}", "x", ("variable_repeated", "x")),
        ("aliyun", "您好${x}，${y}", "x y", ("variables_adjacent", "y")),
        ("tencent", "您好{1}{2}", "x y", ("variables_adjacent", "2")),
        ("huawei", "您好${1}${2}", "x y", ("variables_adjacent", "2")),
        ("huawei", "您" + "${1}好" * 21, " ".join("abcdefghijklmnopqrstu"), ("variables_too_many", "")),
        ("aliyun", "您好{1}元", "", ("stray_brace", "{")),
        ("tencent", "您好${name}", "", ("stray_brace", "{")),
        ("aliyun", "【安达车贷】您好", "", ("text_refused", "【")),
        ("aliyun", "[您好", "", ("text_refused", "[")),
        ("aliyun", "您好★", "", ("text_refused", "★")),
        ("aliyun_voice", "您好：20%", "", ("text_refused", "%")),
        ("aliyun_voice", "您好 http，", "", ("text_refused", "http")),
        ("tencent", "您好，¥10", "", ("text_refused", "¥")),
        ("huawei", "您好[10]", "", ("text_refused", "[")),
        ("aliyun", "您" * 501, "", ("approved_too_long", "")),
        ("aliyun", "您好，拒收请回复R", "", ("opt_out_not_owed", "拒收")),
        ("aliyun", "您好，回TD退订", "", ("opt_out_not_owed", "回TD")),
    ],
)
def test_faults_of_a_text(kind: str, text: str, params: str, found: tuple[str, str]) -> None:
    assert found in codes(text_faults(text, params.split(), RULES[kind], SERVICE))


def test_marketing_ends_with_the_way_out() -> None:
    assert codes(text_faults("新服务上线，拒收请回复R。", [], RULES["tencent"], MARKETING)) == []
    (fault,) = codes(text_faults("拒收请回复R，新服务上线。", [], RULES["tencent"], MARKETING))
    assert fault == ("opt_out_missing", "拒收请回复R")
    huawei = codes(text_faults("${1}，新服务，拒收请回复R", ["x"], RULES["huawei"], MARKETING))
    assert huawei == [("marketing_variables", "")]
    both = codes(text_faults("新服务，拒收请回复R", [], RULES["aliyun"], MARKETING | SERVICE))
    assert both == [("opt_out_not_owed", "拒收")]
    assert codes(text_faults("拒收请回复R", [], RULES["tencent_voice"], SERVICE)) == []


@pytest.mark.parametrize(
    ("kind", "text", "value", "code"),
    [
        ("aliyun", "a${x}", "3,210.50元", ""),
        ("aliyun", "a${x}", "x" * 35, ""),
        ("aliyun", "a${x}", "x" * 36, "value_too_long"),
        ("aliyun", "a${x}", "", "value_empty"),
        ("aliyun", "a${x}", "https://pay.example/p/x", "value_refused"),
        ("aliyun", "a${x}", "pay.example.com/p/x", "value_refused"),
        ("aliyun_voice", "a${x}", "10.1.1.10", "value_refused"),
        ("tencent", "a{1}", "x" * 60, ""),
        ("tencent", "a{1}", "www.pay.cn", "value_refused"),
        ("huawei", "a${TXT_4}", "11月3日", "value_too_long"),
        ("huawei", "a${TXT_12}", "11月30日", ""),
        ("huawei", "a${TXT_12}", "it's", "value_refused"),
        ("huawei", "a${NUM_6}", "1-2", "value_refused"),
        ("huawei", "a${NUM_6}", "012345", ""),
        ("huawei", "a${DATE}", "2026/11/30", ""),
        ("huawei", "a${DATE}", "2026-11-30", "value_refused"),
        ("huawei", "a${DATETIME}", "2026-11-30", ""),
        ("huawei", "a${DATETIME}", "2026年11月30日", ""),
        ("huawei", "a${DATETIME}", "11月30日", "value_refused"),
        ("huawei", "a${MONEY}", "3210.50", ""),
        ("huawei", "a${MONEY}", "3,210.50元", "value_refused"),
        ("huawei", "a${TEXT}", "3,210.50元", "value_refused"),
        ("huawei", "a${TEXT}", "王小明", ""),
        ("huawei", "a${1}", "x" * 21, "value_too_long"),
        ("huawei", "a", "王小明", ""),
    ],
)
def test_values(kind: str, text: str, value: str, code: str) -> None:
    expected = [(code, "x")] if code else []
    assert codes(value_faults(text, {"x": value}, RULES[kind], None)) == expected


def test_the_account_may_have_another_length() -> None:
    assert codes(value_faults("a{1}", {"x": "1234567"}, RULES["tencent"], 6)) == [("value_too_long", "x")]
    assert codes(value_faults("a${x}", {"x": "x" * 40}, RULES["aliyun"], 50)) == []


@pytest.mark.parametrize(("length", "found"), [(80, []), (81, [("params_too_long", "")])])
def test_parameters_of_a_call_are_counted_in_bytes(length: int, found: list[tuple[str, str]]) -> None:
    values: Mapping[str, str] = {"x": "元" * length}  # 8 bytes around, 3 each
    assert codes(value_faults("a${x}", values, RULES["aliyun_voice"], None)) == found


def test_a_whole_message_counts_with_its_sign() -> None:
    assert codes(length_faults("您" * 494, "安达车贷", RULES["tencent"])) == []
    assert codes(length_faults("您" * 495, "安达车贷", RULES["tencent"])) == [("approved_too_long", "")]
    assert codes(length_faults("您" * 350, "安达车贷", RULES["tencent_voice"])) == []


def test_a_code_that_stands_twice() -> None:
    def entry(
        notice: str, code: str = "SMS_1", text: str = "您好", **params: str
    ) -> ApprovedTemplateSettings:
        return ApprovedTemplateSettings(notices=[notice], code=code, text=text, params=params)

    found = list(
        code_faults(
            [
                entry("a"),
                entry("b"),
                entry("c", x="{amount}"),
                entry("d", text="再见"),
                entry("e", code="SMS_2"),
            ]
        )
    )
    assert [(number, fault.code) for number, fault in found] == [(1, "code_repeated"), (3, "code_repeated")]
    assert "one entry" in found[0][1].message
    assert "another text" in found[1][1].message


def test_a_name_gives_the_length() -> None:
    kind = kind_of("TXT_7", RULES["huawei"])
    assert kind is not None
    assert kind.limit == 7
    assert kind_of("TXT_", RULES["huawei"]) is None
