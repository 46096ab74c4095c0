"""Whom a template tells what: never less than it does say, for every template that Hypothesis can write."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.codes import RenderCode
from carloan_notify.messages.discretion import NEVER, OTHERS, kept_from_others, readable, told_to
from carloan_notify.messages.render import CompiledTemplate, RenderFailure, TemplateSet
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import Channel, Rendered
from tests.unit.messages.lenders import templates_of

PARTS: Final = "{% macro dear(name) -%}Dear {{ name }}{%- endmacro %}"
SECRETS: Final = {"borrower_name": "AAAA", "account_tail": "BBBB", "plate_tail": "CCCC", "pay_link": "DDDD"}


def told(root: Path, source: str, role: str = "guarantor") -> set[str]:
    templates = templates_of(root, {"en/t.sms.j2": source, "en/_p.j2": PARTS})
    return set(told_to(templates.environment("en", Channel.SMS), "t.sms.j2", role)) & {*SECRETS, "extra"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{% if role != 'borrower' %}x{% else %}{{ plate_tail }}{% endif %}", ""),
        ("{% if role == 'borrower' %}{{ plate_tail }}{% endif %}x", ""),
        ("{% if role == 'borrower' and pay_link %}{{ pay_link }}{% endif %}x", ""),
        ("{% if pay_link and role == 'borrower' %}{{ pay_link }}{% endif %}x", ""),
        ("{% if not (role == 'borrower') %}x{% else %}{{ plate_tail }}{% endif %}", ""),
        ("{% if role in ['co_borrower', 'guarantor'] %}x{% else %}{{ plate_tail }}{% endif %}", ""),
        ("{% if role not in ['borrower'] or pay_link %}x{% else %}{{ plate_tail }}{% endif %}", ""),
        (
            "{% if role == 'co_borrower' %}{{ plate_tail }}{% elif role == 'borrower' %}{{ pay_link }}{% endif %}",
            "",
        ),
        ("{{ plate_tail if role == 'borrower' else 'x' }}", ""),
        ("{% if pay_link %}x{% endif %}", ""),  # a question writes nothing
        ("{% macro m(plate_tail) %}{{ plate_tail }}{% endmacro %}{{ m('x') }}", ""),
        ("{% if role != 'borrower' or pay_link %}{{ plate_tail }}{% endif %}", "plate_tail"),
        ("{% if loan_count > 1 %}{{ plate_tail }}{% endif %}x", "plate_tail"),
        ("{{ plate_tail | default('x') }}", "plate_tail"),
        ("{{ product | default(plate_tail) }}", "plate_tail"),
        ("{{ product if loan_count > 1 else plate_tail }}", "plate_tail"),
        ("{% set x = plate_tail %}{{ x }}", "plate_tail"),
        ("{% set role = 'borrower' %}{% if role == 'borrower' %}{{ plate_tail }}{% endif %}", "plate_tail"),
        ("{% macro m(plate_tail=plate_tail) %}{{ plate_tail }}{% endmacro %}{{ m() }}", "plate_tail"),
        ("{% macro m() %}{{ plate_tail }}{% endmacro %}{{ m() }}", "plate_tail"),
        ("{% for each in plate_tail %}{{ each }}{% endfor %}", "plate_tail"),
        ("{% import '_p.j2' as say %}{{ say.dear(borrower_name) }}", "borrower_name"),
        ("{{ extra.branch }}", "extra"),
        ("{% if role == plate_tail %}x{% else %}{{ pay_link }}{% endif %}", "pay_link"),
    ],
)
def test_only_a_question_about_the_role_keeps_a_branch_from_a_party(
    tmp_path: Path, source: str, names: str
) -> None:
    assert told(tmp_path, source) == {*names.split()}


QUESTIONS: Final = st.sampled_from(
    [
        "role != 'borrower'", "role == 'borrower'", "role in ['guarantor']", "'guarantor' == role", "pay_link", "role",
        "loan_count > 1", "not role == 'guarantor'", "role == 'co_borrower' or loan_count == 1",
        "loan_count == 1 and role != 'guarantor'", "not (role == 'borrower' or missing is defined)",
    ]
)  # fmt: skip
SAYINGS: Final = st.sampled_from(
    [
        "x", "{{ borrower_name }}", "{{ account_tail | default('-') }}", "{% set a = plate_tail %}",
        "{{ a | default('') }}",
        "{{ say.dear(pay_link) }}", "{{ plate_tail if role == 'guarantor' else pay_link }}",
        "{% macro m() %}{{ account_tail }}{% endmacro %}{{ m() }}",
        "{% for c in [1, 2] %}{{ borrower_name }}{% endfor %}",
        "{% set role = 'borrower' %}",
    ]
)  # fmt: skip
SOURCES: Final = st.recursive(
    SAYINGS,
    lambda inner: st.one_of(
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, QUESTIONS, inner, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=6,
)


@given(source=SOURCES, role=st.sampled_from(OTHERS), loan_count=st.integers(1, 2))
def test_what_stands_in_a_text_was_known_beforehand(source: str, role: str, loan_count: int) -> None:
    with TemporaryDirectory() as folder:
        files = {"en/t.sms.j2": "{% import '_p.j2' as say %}." + source, "en/_p.j2": PARTS}
        templates = templates_of(Path(folder), files)
    text = templates.render("t", "en", "sms", {**SECRETS, "role": role, "loan_count": loan_count})
    if isinstance(text, Rendered):
        said = {name for name, value in SECRETS.items() if value in text.text}
        assert said <= set(told_to(templates.environment("en", Channel.SMS), "t.sms.j2", role))


def found(templates: TemplateSet) -> CompiledTemplate:
    template = templates.find("t", "en", "sms")
    assert isinstance(template, CompiledTemplate)
    return template


def test_a_template_is_refused_for_others_only_and_names_what_it_tells(tmp_path: Path) -> None:
    templates = templates_of(
        tmp_path, {"en/t.sms.j2": "{{ borrower_name }} {{ plate_tail }} {{ amount | money }}"}
    )
    template = found(templates)
    assert templates.indiscreet(template, "borrower") is None
    refused = templates.indiscreet(template, "guarantor")
    assert isinstance(refused, RenderFailure)
    assert refused.code == RenderCode.TOLD_TO_OTHERS
    assert "en/t.sms.j2: tells other parties amount, borrower_name, plate_tail;" in refused.message
    assert refused == templates.indiscreet(template, "co_borrower")  # one finding, whoever is told


def test_what_the_lender_allows_is_told_but_never_the_borrowers_own_data(tmp_path: Path) -> None:
    settings = MessagesSettings(other_parties_may_read=frozenset({"amount", "plate_tail"}))
    source = {"en/t.sms.j2": "{{ plate_tail }} {{ amount | money }}"}
    templates = templates_of(tmp_path, source, settings)
    assert templates.indiscreet(found(templates), "guarantor") is None
    assert kept_from_others(settings) >= NEVER
    context = {"role": "guarantor", "amount": 1, "penalty": 2, "borrower_name": "x", "contract_tail": "1234"}
    assert readable(context, settings) == {"role": "guarantor", "amount": 1, "contract_tail": "1234"}
    assert readable(context | {"role": "borrower"}, settings) == context | {"role": "borrower"}
