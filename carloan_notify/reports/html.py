"""A night's preview as one page that a clerk can read, search and print. No script, nothing fetched."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from carloan_notify.records import Lender
from carloan_notify.reports.night import NightReport

STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif; margin: 2rem auto; max-width: 72rem;
  padding: 0 1rem; color: #1b1f24; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d8dee4; }
th { background: #f3f5f7; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.queued { color: #0a5c2b; } .suppressed, .already_sent { color: #57606a; } .held { color: #8a4b00; }
.stopped { background: #fff1f0; border-left: 4px solid #b42318; padding: .6rem 1rem; }
@media print { body { margin: 0; max-width: none; } }
"""
HEADINGS = {
    "loan_id": "Loan 合同", "notice": "Notice 通知", "channel": "Channel 渠道", "decision": "Decision 结论",
    "why": "Why 原因", "phone": "Phone 手机", "not_before": "From 起", "text": "Text 内容",
}  # fmt: skip


def preview_page(report: NightReport, rows: Sequence[Mapping[str, Any]], lender: Lender) -> str:
    """A whole HTML document; every value is escaped, phones are masked by the caller."""
    title = escape(f"{lender.name}: {report.as_of}")
    body = "".join((_summary(report), _guards(report), _notices(rows)))
    return page(title, f"<h1>{title}</h1>\n{body}")


def page(title: str, body: str, *, style: str = STYLE, language: str = "zh-CN") -> str:
    """A whole HTML document that fetches nothing; `title` and `body` are escaped already."""
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _summary(report: NightReport) -> str:
    cells = "".join(f'<td class="n">{number}</td>' for number in report.decisions.values())
    heads = "".join(f"<th>{escape(str(name))}</th>" for name in report.decisions)
    return (
        f"<table><caption>Notices 通知 {report.notices}</caption><tr>{heads}</tr><tr>{cells}</tr></table>\n"
    )


def _guards(report: NightReport) -> str:
    return "".join(
        f'<p class="stopped"><b>{escape(guard.guard)}</b> {escape(guard.message)} {escape(guard.cure)}</p>\n'
        for guard in report.stopping_guards
    )


def _notices(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in HEADINGS.values())
    lines = "".join(
        f'<tr class="{escape(str(row["decision"]))}">'
        + "".join(f"<td>{escape(str(row[name]))}</td>" for name in HEADINGS)
        + "</tr>\n"
        for row in rows
    )
    return f"<h2>Tonight 今晚</h2>\n<table><tr>{head}</tr>\n{lines}</table>\n"
