"""Templates filled column by column: the same words as one by one, for every template that Hypothesis can write."""

from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carloan_notify.messages.columns import extra
from carloan_notify.messages.context import sample_context, worst_context
from carloan_notify.messages.render import CompiledTemplate, open_templates
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import Money
from tests.unit.messages.lenders import CHINESE, templates_of

PARTS: Final = """
{% macro loan(tail) -%}
 loan {{ tail }}
{%- endmacro %}
{% macro pay(link, tail) -%}
{% if tail and link %}{{ link }} or {{ tail }}{% elif link %}{{ link }}{% else %}{{ hotline }}{% endif %}
{%- endmacro %}
{% macro twice(x) %}{{ loan(x) }}{{ loan(x) }}{% endmacro %}
{% macro blind() %}{{ borrower_name }}{% endmacro %}
"""
EXTRA: Final = "branch"
TEXTS: Final = st.text(st.sampled_from("ab 李[【\n\t\u200b€\ud800"), max_size=4)
CONTEXTS: Final = st.fixed_dictionaries(
    {
        "borrower_name": TEXTS,
        "account_tail": TEXTS,
        "pay_link": TEXTS,
        "installment_no": st.integers(0, 3),
        "loan_count": st.integers(1, 2),
        "amount": st.builds(Money, st.integers(0, 10**7), st.just("CNY")),
        "due_on": st.sampled_from([None, date(2026, 11, 30), date(2027, 1, 5)]),
        "extra": st.fixed_dictionaries({EXTRA: TEXTS}),
    }
)
VALUES: Final = st.sampled_from(
    [
        "borrower_name", "account_tail | upper", "amount | money", "due_on | date", "amount", "due_on", "missing",
        "installment_no", "installment_no + 1", "borrower_name | default('-')", "hotline", "extra.branch",
        "extra.nothing", "extra['branch']", "say.loan(account_tail)", "say.pay(pay_link, account_tail | trim)",
        "say.pay(pay_link)", "say.twice(borrower_name)", "say.blind()", "say.none()", "borrower_name[0]",
        "'yes' if loan_count > 1 else borrower_name", "say.loan(say.loan('x'))", "range(3)", "say",
    ]
)  # fmt: skip
QUESTIONS: Final = st.sampled_from(
    [
        "due_on", "loan_count > 1", "not amount", "pay_link and account_tail", "pay_link or installment_no == 2",
        "borrower_name in ['a', 'b']", "missing", "extra.branch", "due_on is defined", "amount and (not due_on)",
        "borrower_name and borrower_name[0] == 'a'",
    ]
)  # fmt: skip
WORDS: Final = st.text(st.sampled_from("xy 一\n\t "), max_size=5)


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    forks = st.builds("{{% if {} %}}{}{{% elif {} %}}{}{{% else %}}{}{{% endif %}}".format,
                      QUESTIONS, inner, QUESTIONS, inner, inner)  # fmt: skip
    loops = st.builds("{{% for n in [1, 2] %}}{}{{{{ n }}}}{{% endfor %}}".format, inner)
    sets = st.builds("{{% set borrower_name = {} %}}".format, VALUES)
    often = [forks, inner, inner]
    return st.lists(st.one_of(*often, forks, loops, sets), min_size=1, max_size=4).map("".join)


SOURCES: Final = st.recursive(
    st.one_of(WORDS, st.builds("{{{{ {} }}}}".format, VALUES)), blocks, max_leaves=8
)


def plain_twin(template: CompiledTemplate, contexts: list[dict[str, Any]]) -> list[object]:
    return [template.render(context) for context in contexts]


def by_columns(template: CompiledTemplate, contexts: list[dict[str, Any]]) -> list[object]:
    flat = [{**c, **{extra(name): value for name, value in c["extra"].items()}} for c in contexts]
    needs = template.needs or frozenset()
    if not needs <= set(flat[0]):
        return plain_twin(template, contexts)
    columns = {name: [values[name] for values in flat] for name in needs}
    return list(template.render_all(columns, len(contexts), lambda row: contexts[row]))


@given(
    source=SOURCES,
    contexts=st.lists(CONTEXTS, min_size=1, max_size=5),
    language=st.sampled_from(["zh-CN", "en"]),
)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_columns_say_what_the_template_says(
    tmp_path: Path, source: str, contexts: list[dict[str, Any]], language: str
) -> None:
    files = {"t.sms.j2": "{% import '_parts.j2' as say %}" + source, "_parts.j2": PARTS}
    templates = templates_of(tmp_path, {f"{language}/{name}": text for name, text in files.items()})
    template = templates.find("t", language, "sms")
    if isinstance(template, CompiledTemplate):
        assert by_columns(template, contexts) == plain_twin(template, contexts)


def test_every_packaged_template_is_taken_apart() -> None:
    packaged = open_templates(None, MessagesSettings(), CHINESE)
    for language, folder in packaged.folders.items():
        for name in folder.sources:
            if name.startswith("_"):
                continue
            template = packaged.find(name.split(".")[0], language, name.split(".")[1])
            assert isinstance(template, CompiledTemplate)
            assert template.needs is not None, template.path
            contexts = [
                {**context, **change}
                for context in (sample_context(language), worst_context(language))
                for change in (
                    {},
                    {"role": "guarantor"},
                    {"loan_count": 2},
                    {"account_tail": "", "installment_no": 0},
                )
            ]
            assert by_columns(template, contexts) == plain_twin(template, contexts)


@pytest.mark.parametrize(
    "source",
    [
        "{% for n in range(600) %}{% endfor %}{% for n in range(600) %}{% endfor %}",
        "{% set x = 1 %}{{ x }}",
        "{{ say.loan('x') }}{% import '_parts.j2' as say %}",
        "{% import '_parts.j2' as amount %}{{ amount }}",
        "{% import '_parts.j2' as say %}{{ say.blind() }}",
        "{{ no_such_name }}",
    ],
)
def test_what_cannot_be_taken_apart_is_left_whole(tmp_path: Path, source: str) -> None:
    templates = templates_of(tmp_path, {"en/t.sms.j2": source, "en/_parts.j2": PARTS}, lender=CHINESE)
    template = templates.find("t", "en", "sms")
    assert isinstance(template, CompiledTemplate)
    assert template.needs is None
