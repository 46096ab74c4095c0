"""`docs/codes.md` and the runbook's table of guards, generated: stable codes with what they say in both languages.

`python -m tools.code_tables > docs/codes.md` writes the one anew, `python -m tools.code_tables runbook` the other where
it stands; tests compare.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from carloan_notify.certificate_codes import CertificateFinding, Check, Refusal, VoidReason
from carloan_notify.codes import Code, GuardName, Look, Method, Reason, RenderCode, Repeated, Why
from carloan_notify.finding_codes import CellProblem, Finding, LawFinding
from carloan_notify.hold_codes import HoldReason, HoldSubject, NumberStatus, Then, Whom
from carloan_notify.page_codes import LinkFault
from carloan_notify.promise_codes import PromiseDoubt, PromiseRefusal, PromiseState
from carloan_notify.proof_codes import Happened, MayReport

TABLES: Final[tuple[tuple[str, type[Code]], ...]] = (
    ("Why a notice is not told tonight · 今晚不发送的原因", Reason),
    ("What a rule says of a loan · 规则对贷款的说明", Why),
    ("What `policy lint` finds · `policy lint` 的检查结果", LawFinding),
    ("Guards that stop a night · 中止当晚运行的守卫", GuardName),
    ("The last look before a message leaves · 发送前的最后核对", Look),
    ("Why a message is not sent again yet · 暂不补发的原因", Repeated),
    ("Holds: why · 暂缓原因", HoldReason),
    ("Holds: what happens after the last day · 暂缓到期后", Then),
    ("Holds: whose messages · 暂缓涉及的对象", Whom),
    ("Holds: on what · 暂缓范围", HoldSubject),
    ("What is known of a number · 号码状态", NumberStatus),
    ("Where a promise to pay stands · 还款承诺的状态", PromiseState),
    ("Why only a clerk may confirm a promise · 须人工确认的原因", PromiseDoubt),
    ("Why a promise is not confirmed · 未予确认的原因", PromiseRefusal),
    ("Why there is no text · 没有生成文字的原因", RenderCode),
    ("Why a link is refused · 链接被拒绝的原因", LinkFault),
    ("Rejected rows and their cures · 被拒收的数据行及处理办法", CellProblem),
    ("Findings about loans · 贷款数据问题", Finding),
    ("Repayment methods · 还款方式", Method),
    ("Whether negative data may be reported · 能否报送不良信息", MayReport),
    ("What happened to a message · 消息经过", Happened),
    ("Why a loan gets no settlement certificate · 不出具结清证明的原因", Refusal),
    ("What a check of a certificate found · 结清证明的核验结果", Check),
    ("Why a certificate is void · 结清证明作废的原因", VoidReason),
    ("What a night tells of certificates · 夜间批次关于结清证明的提示", CertificateFinding),
)
HEAD: Final = """# Codes · 代码

Generated from `carloan_notify/codes.py` and the other catalogues beside it (`finding_codes.py`, `hold_codes.py` …). A
code never changes its meaning; reports, JSON and CSV hold the code.
由程序生成。代码的含义不会改变；报告、JSON 与 CSV 中使用代码。
"""


RUNBOOK: Final = Path(__file__).resolve().parents[1] / "docs" / "runbook.md"
_GUARDS: Final = re.compile(r"(?<=<!-- guards:begin -->\n).*(?=<!-- guards:end -->)", re.DOTALL)


def main() -> None:
    """Print the document, or with `runbook` write the runbook's table."""
    if sys.argv[1:] == ["runbook"]:
        RUNBOOK.write_text(runbook(), encoding="utf-8")
    else:
        print(document(), end="")  # noqa: T201 - its purpose


def runbook() -> str:
    """The runbook as it stands, its table of guards made anew."""
    table = "\n".join(_rows(GuardName, ("guard", "stops the night because", "中止原因"))) + "\n"
    return _GUARDS.sub(lambda _: table, RUNBOOK.read_text(encoding="utf-8"))


def document() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(line for title, codes in TABLES for line in _table(title, codes))])


def _table(title: str, codes: type[Code]) -> Iterator[str]:
    yield from (f"## {title}", "", *_rows(codes, ("code · 代码", "English", "中文")), "")


def _rows(codes: type[Code], head: tuple[str, str, str]) -> Iterator[str]:
    yield from (f"| {' | '.join(head)} |", "|---|---|---|")
    yield from (f"| `{code}` | {_cell(code.english)} | {_cell(code.chinese)} |" for code in codes)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
