"""Whatever a template or a borrower's name says, rendering ends and stays text."""

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.codes import RenderCode
from carloan_notify.messages.render import RenderFailure
from carloan_notify.messages.sandbox import MAX_SOURCE, MAX_STEPS, MessageEnvironment, allow_steps
from carloan_notify.messages.values import Money, build_filters
from carloan_notify.records import Rendered
from carloan_notify.text import inline, inline_pattern
from tests.unit.messages.lenders import DAY, US, templates_of


def rendered(
    root: Path,
    source: str,
    **context: Any,
) -> Rendered | RenderFailure:
    files = {"en/t.sms.j2": source, "en/_parts.j2": "{% macro hi(name) -%}\nhi {{ name }}\n{%- endmacro %}"}
    return templates_of(root, files).render("t", "en", "sms", context)


def text_of(root: Path, source: str, **context: Any) -> str:
    result = rendered(root, source, **context)
    assert isinstance(result, Rendered), result
    return result.text.removeprefix("[安达车贷] ")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ name }}", "Li"),
        ("{% if n > 1 %}many{% elif n %}one{% endif %}", "one"),
        ("{% for i in range(3) %}{{ i }}{% if not loop.last %}-{% endif %}{% endfor %}", "0-1-2"),
        ("{% for role in ['a', 'b'] %}{{ role }}{% endfor %}", "ab"),
        ("{{ 'x' if name in ['Li', 'Wu'] else 'y' }}", "x"),
        ("{% set next = n + 1 %}{{ next - 3 }}", "-1"),
        ("{% import '_parts.j2' as say %}{{ say.hi(name) }}!", "hi Li!"),
        ("{% from '_parts.j2' import hi %}{{ hi(name) | upper }}", "HI LI"),
        ("{{ extra.city }} {{ extra['city'] }} {{ name[0] }}", "Bern Bern L"),
        ("{{ extra.nothing | default('-') }}", "-"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{% for i in [1, 2] %}{{ m(i) }}{% endfor %}", "12"),
        ("{{ name is defined }} {{ -n }}", "True -1"),
        ("{{ 'x' if n > 1 }}{{ 'y' if n }}", "y"),
    ],
)
def test_the_language_is_enough(tmp_path: Path, source: str, text: str) -> None:
    assert text_of(tmp_path, source, name="Li", n=1, extra={"city": "Bern"}) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 2 ** 10 ** 9 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'a' ~ 'b' }}",
        "{{ 7 // 2 }}",
        "{{ name.__class__ }}{{ (1).__class__.__mro__ }}{% block x %}{% endblock %}",
        "{% for x in [[1], [2]] recursive %}{{ loop(x) }}{% endfor %}",
        "{% for x in [1] recursive %}{% endfor %}",
        "{% set a = [name, name] %}{{ a }}",
        "{% set a %}{{ name }}{{ name }}{% endset %}",
        "{% include '_parts.j2' %}",
        "{% extends '_parts.j2' %}",
        "{% import name as say %}",
        "{% import 't.sms.j2' as say %}",
        "{% import '_parts.j2' as say with context %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ {'a': 1} }}",
        "{{ name | center(1000000000) }}",
        "{{ name | unknown }}",
        "{% if %}",
        "{{ name ",
        "x" * (MAX_SOURCE + 1),
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% for a in [1] %}" * 30 + "x" + "{% endfor %}" * 30,
    ],
)
def test_what_is_not_in_the_language_is_refused_before_it_runs(tmp_path: Path, source: str) -> None:
    failure = rendered(tmp_path, source, name="Li")
    assert isinstance(failure, RenderFailure)
    assert failure.code is RenderCode.TEMPLATE_BROKEN
    assert failure.message.startswith("en/t.sms.j2:1: ")


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(99999999999999999999) %}x{% endfor %}",
        "{% for i in range(900) %}{% for j in range(900) %}x{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for a in long %}{% for b in long %}{% for c in long %}x{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_endless_templates_are_stopped(tmp_path: Path, source: str) -> None:
    started = time.process_time()
    failure = rendered(tmp_path, source, long="y" * 5000)
    assert isinstance(failure, RenderFailure)
    assert failure.code is RenderCode.TEMPLATE_ENDLESS
    assert time.process_time() - started < 2


def test_a_macro_cannot_grow_a_text_without_bound(tmp_path: Path) -> None:
    macro = "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set a = 'x' %}"
    failure = rendered(tmp_path, macro + "{% set a = m(a) %}" * 40 + "{{ a }}")
    assert isinstance(failure, RenderFailure)
    assert "more than 10,000 characters" in failure.message


def test_each_message_has_its_own_steps(tmp_path: Path) -> None:
    source = "{% for i in range(" + str(MAX_STEPS - 1) + ") %}{% endfor %}x"
    templates = templates_of(tmp_path, {"en/t.sms.j2": source})
    assert all(isinstance(templates.render("t", "en", "sms", {}), Rendered) for _ in range(3))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ name.upper() }}", "`.upper` does not exist here"),
        ("{{ name.__class__ }}", "`.__class__` does not exist here"),
        ("{{ extra.__class__ }}", "extra has no column `__class__`"),
        ("{% import '_parts.j2' as say %}{{ say._body_stream }}", "`._body_stream` does not exist here"),
        ("{% import '_parts.j2' as say %}{{ say.bye() }}", "there is no `bye` in it"),
        ("{{ name['upper'] }}", "there is no such element"),
        ("{{ name() }}", "only macros and range() can be called"),
        ("{{ name + name }}", "whole numbers only"),
        ("{{ amount }}", "an amount needs its filter"),
        ("{{ due_on }}", "a date needs its filter"),
        ("{{ extra }}", "a value of type dict cannot be written"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ nothing() }}", "'nothing' is undefined"),
        ("{% import '_none.j2' as say %}{{ say.hi() }}", "imports `_none.j2`, which does not exist"),
        ("{{ 5 | upper }}", "doesn't apply to a 'int' object"),
        ("{{ 1 is divisibleby 0 }}", "ZeroDivisionError"),
    ],
)
def test_faults_while_rendering_are_values_with_their_line(tmp_path: Path, source: str, reason: str) -> None:
    context = {"name": "Zhang", "extra": {}, "amount": Money(1, "CNY"), "due_on": DAY}
    failure = rendered(tmp_path, "line one\n" + source, **context)
    assert isinstance(failure, RenderFailure)
    assert failure.message.startswith("en/t.sms.j2:2: ")
    assert reason in failure.message
    assert "Zhang" not in failure.message


def test_parts_import_nothing(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "{% import '_a.j2' as a %}{{ a.m() }}", "en/_a.j2": "{% import '_a.j2' as a %}"}
    failure = templates_of(tmp_path, files).render("t", "en", "sms", {})
    assert isinstance(failure, RenderFailure)
    assert failure.code is RenderCode.TEMPLATE_BROKEN
    assert "imports nothing" in failure.message


@given(st.text(max_size=60))
def test_a_value_is_never_code_nor_markup(name: str) -> None:
    environment = MessageEnvironment({"t": "<{{ name }}>"}, build_filters("en", "sms", US), {})
    allow_steps()
    assert environment.get_template("t").render(name=name) == f"<{inline(name)}>"


@pytest.mark.parametrize(
    "name", ["{{ 7*7 }}", "{% for i in range(9) %}", "<b>&amp;</b>", "=cmd|'/C calc'!A0", "{#"]
)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    assert text_of(tmp_path, "Dear {{ name }}.", name=name) == f"Dear {name}."


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("a\x00b\x1bc\x7f", "abc"),
        ("a\r\nb\tc", "a  b c"),
        ("a\u202eb\u2066c\ufeff", "abc"),
        ("a\u2028b", "a b"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("王\u3000小明", "王\u3000小明"),
        ("a\ud800b", "a?b"),
        ("a\u200b\u00ad\u2060b\U000e0041", "ab"),
        ("钱\u200d一\u200c", "钱一"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("【招商银行】钱一", "（招商银行）钱一"),
        ("〖a〗［b］[c]︻d︼", "（a）（b）(c)（d）"),
    ],
)
def test_control_characters_leave_and_letters_stay(dirty: str, tidy: str) -> None:
    assert inline(dirty) == tidy


@given(st.text())
def test_clean_text_is_one_safe_line(text: str) -> None:
    tidy = inline(text)
    assert set(tidy).isdisjoint("【】〖〗［］[]")
    assert not any(char < " " or char in "\x7f\x85\u2028\u2029\u202e" for char in tidy)
    assert inline(tidy) == tidy


@given(st.text(st.characters(codec="utf-8")))
def test_the_pattern_for_columns_finds_what_changes(text: str) -> None:
    found = pc.match_substring_regex(pa.array([text]), inline_pattern())[0].as_py()
    assert found or inline(text) == text
