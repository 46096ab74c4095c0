"""Number health: what is known of telephone numbers, from files of a checking service and from people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.app import App, any_number
from carloan_notify.hold_codes import NumberStatus
from carloan_notify.ledger import numbers
from carloan_notify.ledger.numbers import CLOSED, COLUMNS, Known, Marked, NumberFilter
from carloan_notify.ledger.store import Transaction
from carloan_notify.pipeline.holds import typed_number
from carloan_notify.reports.tables import frame_rows
from carloan_notify.sources.files import small_table
from carloan_notify.sources.values import parse_date, word_key

FILE_COLUMNS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "phone": ("手机号", "手机号码", "手机", "号码", "电话", "msisdn", "number"),
        "status": ("状态", "检测结果", "结果", "号码状态", "result"),
        "date": ("日期", "检测日期", "检测时间", "时间", "checked_at", "checked_on"),
    }
)
STATUS_WORDS: Final[Mapping[NumberStatus, Sequence[str]]] = MappingProxyType(
    {
        NumberStatus.ACTIVE: ("实号", "正常", "活跃", "在网", "在用", "reachable", "valid", "ok"),
        # Out of service for arrears (停机) ends with a payment: it is tried again.
        NumberStatus.ABSENT: (
            "关机",
            "停机",
            "沉默号",
            "沉默",
            "无法接通",
            "不在服务区",
            "absent subscriber",
            "unreachable",
        ),
        NumberStatus.INVALID: (
            "空号",
            "销号",
            "不存在",
            "已注销",
            "invalid number",
            "unknown subscriber",
            "dead",
        ),
        NumberStatus.PORTED: ("携号转网", "已转网", "转网"),
        NumberStatus.REASSIGNED: (
            "二次放号",
            "二次号",
            "易主",
            "他人号码",
            "非本人",
            "somebody else",
            "wrong number",
        ),
        NumberStatus.LANDLINE: ("固话", "固定电话", "座机", "fixed line"),
        NumberStatus.QUARANTINED: ("隔离", "停用"),
    }
)
"""Statuses as services for checking numbers (HLR, 空号检测) write them."""
_WORDS: Final = {
    word_key(word): status.value for status, words in STATUS_WORDS.items() for word in (status.value, *words)
}


@dataclass(frozen=True, slots=True)
class NumberFile:
    """What became of a file: its rows by status, what is new of them, and `problems` with their line and cure."""

    rows: int = 0
    changed: int = 0
    unchanged: int = 0
    cancelled: int = 0
    problems: tuple[str, ...] = ()


def take_file(app: App, path: Path) -> NumberFile:
    """Keep the statuses of a CSV file (phone, status, date); a row that cannot be read is a problem, the others count.

    Raises:
        SourceError: the file cannot be read, or phone, status or date is missing.
    """
    read = [
        _known(app, line, row) for line, row in small_table(path, FILE_COLUMNS, ("phone", "status", "date"))
    ]
    known = [each for each in read if isinstance(each, Known)]
    problems = tuple(f"{path.name}:{each}" for each in read if isinstance(each, str))
    done = Marked()
    if known:
        with app.open_ledger(create=True) as ledger, ledger.write() as tx:
            done = numbers.mark(tx, known, f"file:{path.name}", app.clock())
    return NumberFile(len(read), done.changed, done.unchanged, len(done.cancelled), problems)


def _known(app: App, line: int, row: Mapping[str, str]) -> Known | str:
    """What a row says, or what is wrong with it; without its number."""
    found = any_number(app, row["phone"])
    if found.error:
        return f"{line}: phone: {found.error}; write it as +8613800138000"
    status = _WORDS.get(word_key(row["status"]))
    if status is None:
        return f"{line}: status: no such one; write one of {', '.join(each.value for each in NumberStatus)}"
    on = parse_date(row["date"], zone=ZoneInfo(app.lender.timezone))
    if not isinstance(on, date):
        return f"{line}: date: {on.english}"
    if on > app.business_date():
        return f"{line}: date: {on} lies in the future; correct it"
    return Known(found.e164, NumberStatus(status), on)


def quarantine(app: App, phone: str, status: NumberStatus, operator: str, reason: str) -> Marked:
    """Close a number from today on (`status`: quarantined, invalid, reassigned); what waits for it is cancelled.

    Raises:
        ConfigError: it is no number.
    """
    return _marked(app, Known(typed_number(app, phone), status, app.business_date()), operator, reason)


def release(app: App, phone: str, operator: str, reason: str) -> Marked:
    """Somebody made sure today that the number is the person's: it is told again, and failures count from 0.

    Raises:
        ConfigError: it is no number.
    """
    return _marked(
        app, Known(typed_number(app, phone), NumberStatus.ACTIVE, app.business_date()), operator, reason
    )


def _marked(app: App, known: Known, operator: str, reason: str) -> Marked:
    with app.open_ledger(create=True) as ledger, ledger.write() as tx:
        return numbers.mark(tx, [known], operator, app.clock(), note=reason)


SHOWN: Final = (*COLUMNS[:-1], "closed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which numbers to list: of one status, only failing ones, or one number as it was typed."""

    phone: str = ""
    status: NumberStatus | None = None
    failing_only: bool = False


def listed(app: App, wanted: Wanted) -> list[dict[str, Any]]:
    """Numbers (SHOWN), what changed last first; phones masked."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return _lines(app, frame_rows(numbers.table(tx, _filter(app, tx, wanted))))


def revealed(app: App, wanted: Wanted, operator: str, reason: str) -> list[dict[str, Any]]:
    """The same in clear; who looked, at what and why, is in the audit."""
    with app.open_ledger() as ledger, ledger.write() as tx:
        found = numbers.reveal(tx, _filter(app, tx, wanted), operator, reason, app.clock())
    return _lines(app, frame_rows(found))


def _filter(app: App, tx: Transaction, wanted: Wanted) -> NumberFilter:
    phone_hash = tx.cipher.phone_hash(typed_number(app, wanted.phone)) if wanted.phone else ""
    return NumberFilter(phone_hash, wanted.status, wanted.failing_only)


def _lines(app: App, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    most = app.settings.policy.numbers.quarantine_after
    return [
        {
            **{name: row[name] for name in COLUMNS[:-1]},
            "closed": row["status"] in CLOSED or row["failures"] >= most,
        }
        for row in rows
    ]
