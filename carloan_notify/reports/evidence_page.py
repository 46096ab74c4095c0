"""Evidence as a page that a judge can read and print, in Chinese and English. No script, nothing fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from carloan_notify.reports.html import page
from carloan_notify.words import word

_STYLE: Final = """
body { font: 14px/1.6 "Noto Serif SC", "Songti SC", SimSun, Georgia, serif; margin: 2rem auto; max-width: 48rem;
  padding: 0 1rem; color: #111; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border: 1px solid #999; }
th { background: #f2f2f2; font-weight: 600; } table.pairs th { width: 14rem; }
blockquote { margin: .5rem 0; padding: .6rem .9rem; border-left: 4px solid #444; background: #f7f7f7;
  overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #999; padding: .5rem; font-size: 12px; }
code { overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } section { break-inside: auto; } tr { break-inside: avoid; } }
"""
_PROVEN: Final = "◆"
_STATED: Final = "◇"
_LEGEND: Final = f"""
{_PROVEN} 由审计链证明：在所示时间已写入，此后任何改动都会被发现。
Proven by the audit chain: written at the time shown; any later change is found.
{_STATED} 由贷款机构陈述并签名：内容为制作时账本所载。
Stated and signed by the lender: what its ledger held when this was made.
"""
_HOW: Final = """
在装有 Python 3.9 以上的任何电脑上运行下面的命令，不联网，不需其他软件。公钥应取自贷款机构的公布渠道，而非本证据包。
任何文件改动一个字节，都会被发现并指出。
Run this on any computer with Python 3.9 or newer; no network and no other software is needed.
Take the public key from where the lender publishes it, not from this bundle.
One byte changed in any file is found and named.
"""
_COMMAND: Final = "python3 -I verify.py BUNDLE.zip --key PUBLIC_KEY.pem"
_ERASED: Final = "已应本人要求删除 erased at the person's request"


def evidence_page(evidence: Mapping[str, Any]) -> str:
    """A whole HTML document about the contents of `evidence.json`; every value is escaped."""
    title = f"告知证据 · Evidence of notice: {evidence['loan_id']}"
    body = "".join([*_head(evidence), *(_message(each) for each in evidence["messages"]), *_check(evidence)])
    return page(escape(title), f"<main><h1>{escape(title)}</h1>\n{body}</main>", style=_STYLE)


def _head(evidence: Mapping[str, Any]) -> Iterator[str]:
    yield _pairs(
        [
            ("贷款机构 Lender", evidence["lender"]),
            ("贷款编号 Loan", evidence["loan_id"]),
            ("收信人 Recipient", _both(evidence["role"])),
            ("消息数 Messages", str(len(evidence["messages"]))),
            ("制作时间 Made at (UTC)", evidence["made_at"]),
            ("公钥指纹 Key fingerprint (SHA-256)", evidence["key_fingerprint"]),
        ]
    )
    if evidence["to_others"]:
        number = evidence["to_others"]
        yield _paragraph(
            f"另有 {number} 条消息发给与本贷款有关的其他人，涉及其个人信息，不在其中。 "
            f"{number} more messages about this loan went to other people; their data are not shown here."
        )
    yield _lines(_LEGEND)


def _message(told: Mapping[str, Any]) -> str:
    name = f"{told['notice']} · {_both(told['channel'])}"
    parts = [
        f"<section><h2>{escape(name)}</h2>\n",
        _pairs(_facts(told)),
        f"<h3>{_PROVEN} 内容 Wording</h3>\n<blockquote>{escape(told['text'] or _ERASED)}</blockquote>\n",
        f"<h3>{_PROVEN} 经过 What happened</h3>\n",
        _table(("时间 Time", "中文", "English", "代码 Code"), _events(told)),
        f"<h3>{_STATED} 回执 Receipts</h3>\n",
        _table(
            ("时间 Time", "收到 Received", "中文", "English", "代码 Code", "说明 In words"), _receipts(told)
        ),
        f"<h3>{_STATED} 应还与决定 What was due, and the decision</h3>\n",
        *(_pairs(_decision(each)) for each in told["decisions"]),
        f"<h3>{_PROVEN} 模板 Template</h3>\n",
        *_sources(told["template"]),
    ]
    return "".join(parts) + "</section>\n"


def _facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"{_PROVEN} 消息编号 Message", told["message_id"]),
        (f"{_PROVEN} 贷款 Loans", ", ".join(told["loans"])),
        (f"{_PROVEN} 号码 Number", told.get("full_number") or told["number"] or _ERASED),
        (f"{_PROVEN} 应还日 Due on", told["due_on"]),
        (f"{_PROVEN} 金额 Amount", told["amount"]),
        (f"{_STATED} 可发送时段 May leave", f"{told['not_before']} – {told['expires_at']}"),
        (f"{_STATED} 状态 State", _both(told["state"])),
        (
            f"{_STATED} 服务商 Provider",
            " ".join(filter(None, (told["provider"], told["code"], told["answer"]))),
        ),
        (f"{_STATED} 语言 Language", told["language"]),
        *([(f"{_PROVEN} 补发自 Repeats", told["resend_of"])] if told["resend_of"] else []),
    ]


def _events(told: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for event, read in zip(told["events"], told["events_read"], strict=True):
        yield read["at"], read["zh"], read["en"], event["code"]


def _receipts(told: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for each in told["receipts"]:
        yield each["occurred_at"], each["received_at"], each["zh"], each["en"], each["code"], each["detail"]


_DECISION: Final = {
    "decided_on": "营业日 Business date",
    "loan_id": "贷款 Loan",
    "installment_no": "期次 Installment",
    "due_on": "应还日 Due on",
    "original_due_on": "原应还日 Original due date",
    "amount": "应还金额 Amount",
    "days_past_due": "逾期天数 Days past due",
    "decision": "决定 Decision",
    "why_zh": "原因",
    "why_en": "Why",
    "not_before": "最早 Not before",
    "expires_at": "最晚 Expires",
    "presets": "适用的法规预设 Presets of law that bind",
}
_IN_OTHER_WORDS: Final = frozenset(
    {"notice", "channel", "role", "message_class", "idempotency_key", "reason", "amount_minor"}
)


def _decision(decision: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known by name first; then whatever else the ledger keeps of a decision."""
    known = [
        (label, decision[name]) for name, label in _DECISION.items() if decision.get(name) not in (None, "")
    ]
    more = [(name, value) for name, value in decision.items() if name not in {*_DECISION, *_IN_OTHER_WORDS}]
    return [(label, _both(str(value))) for label, value in (*known, *more)]


def _sources(template: Mapping[str, Any]) -> Iterator[str]:
    yield _pairs([("文件 File", template["path"]), ("版本 Version", template["version"])])
    if template["sources"] is None:
        yield _paragraph("账本未保存此版本的模板文字。 The ledger does not keep the text of this version.")
        return
    for name, source in template["sources"]:
        yield f"<details open><summary>{escape(name)}</summary><pre>{escape(source)}</pre></details>\n"


def _check(evidence: Mapping[str, Any]) -> Iterator[str]:
    yield "<section><h2>怎样核验 How to check</h2>\n"
    yield _lines(_HOW)
    yield f"<pre>{escape(_COMMAND)}</pre>\n"
    yield _paragraph(f"公钥指纹 Fingerprint of the key (SHA-256): {evidence['key_fingerprint']}")
    yield "</section>\n"


def _both(text: str) -> str:
    """A word of ours in both languages; what is no such word stays as it is."""
    chinese, english = word(text, "zh"), word(text, "en")
    return text if chinese == english else f"{chinese} {english}"


def _lines(text: str) -> str:
    return f"<p>{escape(text.strip()).replace(chr(10), '<br>')}</p>\n"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>\n"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>\n" for label, value in pairs)
    return f'<table class="pairs">{rows}</table>\n'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    if not lines:
        return _paragraph("无 none")
    return f"<table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>\n{lines}</table>\n"
