"""Every stable code has its sentences in both languages, and no file but the catalogues spells one."""

import ast
from pathlib import Path
from typing import Final

import pytest

from carloan_notify import (
    certificate_codes,
    codes,
    finding_codes,
    hold_codes,
    page_codes,
    promise_codes,
    proof_codes,
    words,
)
from carloan_notify.codes import Code
from carloan_notify.promise_codes import PromiseWord
from carloan_notify.words import Word, word

CATALOGUES: Final = [
    catalogue
    for module in (
        codes,
        finding_codes,
        hold_codes,
        page_codes,
        promise_codes,
        proof_codes,
        certificate_codes,
        words,
    )
    for catalogue in vars(module).values()
    if isinstance(catalogue, type) and issubclass(catalogue, Code) and catalogue is not Code
]
MEMBERS: Final = list(
    {f"{type(member).__name__}.{member.name}": member for kind in CATALOGUES for member in kind}.items()
)
SPELT_ELSEWHERE: Final = {
    "message_count": "the measure of a night, as the guard of that name compares it",
    "daily_cost_cap": "same",
    "monthly_cost_cap": "same",
    "cost": "a figure of reports",
    "dispute": "a kind of reply",
    "total_mismatch": "same",
}
PACKAGE: Final = Path(codes.__file__).parent


@pytest.mark.parametrize(("name", "member"), MEMBERS, ids=[name for name, _ in MEMBERS])
def test_a_code_says_what_it_means_in_both_languages(name: str, member: Code) -> None:
    assert member == member.value, name
    assert member.sentence("en") == member.english != ""
    assert any("\u4e00" <= character <= "\u9fff" for character in member.sentence("zh-CN"))
    if not isinstance(member, Word | PromiseWord):
        assert member.english != member.value, "a sentence, not the code again"


def test_what_is_no_word_of_ours_stays_as_it_is() -> None:
    assert word("AD2026000001", "zh") == "AD2026000001"
    assert (word("held", "zh"), word("held", "en")) == ("暂缓", "held")


def test_no_finding_or_guard_is_spelt_outside_the_catalogues() -> None:
    values = {
        str(m) for m in (*finding_codes.Finding, *certificate_codes.CertificateFinding, *codes.GuardName)
    } - set(SPELT_ELSEWHERE)
    spelt = {
        f"{path.name}:{node.lineno}: {node.value}"
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"codes.py", "finding_codes.py", "certificate_codes.py", "page_codes.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in values
    }
    assert spelt == set()
