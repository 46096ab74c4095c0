"""`docs/codes.md`, generated: every stable code with what it says in both languages.

`python -m tools.code_tables > docs/codes.md` writes it anew; a test compares.
"""

from collections.abc import Iterator
from typing import Final

from carloan_notify.codes import Code, GuardName, HoldReason, Look, Method, Reason, RenderCode, Why
from carloan_notify.finding_codes import CellProblem, Finding

TABLES: Final[tuple[tuple[str, type[Code]], ...]] = (
    ("Why a notice is not told tonight · 今晚不发送的原因", Reason),
    ("What a rule says of a loan · 规则对贷款的说明", Why),
    ("Guards that stop a night · 中止当晚运行的守卫", GuardName),
    ("The last look before a message leaves · 发送前的最后核对", Look),
    ("Holds · 暂缓", HoldReason),
    ("Why there is no text · 没有生成文字的原因", RenderCode),
    ("Rejected rows and their cures · 被拒收的数据行及处理办法", CellProblem),
    ("Findings about loans · 贷款数据问题", Finding),
    ("Repayment methods · 还款方式", Method),
)
HEAD: Final = """# Codes · 代码

Generated from `carloan_notify/codes.py` and `finding_codes.py`. A code never changes its meaning; reports, JSON and
CSV hold the code.
由程序生成。代码的含义不会改变；报告、JSON 与 CSV 中使用代码。
"""


def main() -> None:
    """Print the document."""
    print(document(), end="")  # noqa: T201 - its purpose


def document() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(line for title, codes in TABLES for line in _table(title, codes))])


def _table(title: str, codes: type[Code]) -> Iterator[str]:
    yield from (f"## {title}", "", "| code · 代码 | English | 中文 |", "|---|---|---|")
    yield from (f"| `{code}` | {_cell(code.english)} | {_cell(code.chinese)} |" for code in codes)
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
