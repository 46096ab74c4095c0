"""What is wanted of the night, and which of it a run at one size can tell."""

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.night.report import Row, Target

MILLION: Final = 1_000_000
COMPARED: Final = "first night of a million loans"
_OVER_FLOOR: Final = 2.5
_OVER_OURS: Final = 25
_AGAIN: Final = 0.2
_GROWTH: Final = 1.15
_ONE_LOAN_MB: Final = 350


def all_targets(loans: int, rows: Sequence[Row], bytes_a_message: Sequence[float]) -> list[Target]:
    """Every figure that is wanted, in the order of the table. The wanted figures are those of a million loans."""
    by_name = {row.what: row for row in rows}
    found = [target for row in rows for target in _of_row(row, loans, by_name)]
    if bytes_a_message:
        found.append(Target("bytes a message in the ledger", max(bytes_a_message), 1200))
    return [*found, *_quiet(by_name), *_sending(by_name)]


def _of_row(row: Row, loans: int, by_name: dict[str, Row]) -> Iterator[Target]:
    what = row.what.partition(",")[0]
    if what in {"first night", "ordinary night"}:
        yield from _night(row, loans)
    if what == "first night" and COMPARED in by_name and "csv" in row.what:
        growth = row.ours.cpu / loans / (by_name[COMPARED].ours.cpu / MILLION)
        yield Target(f"{row.what}: cost a loan ÷ that of a million loans", growth, _GROWTH)
    if what == "the same night again":
        first = by_name[row.what.replace(what, "first night")]
        yield Target(f"{row.what} ÷ first", row.ours.cpu / first.ours.cpu, _AGAIN)
    if what in {"explain", "schedule", "preview --loan"}:
        yield Target(f"{row.what}: CPU s", row.ours.cpu, 2.0 if "csv" in row.what else 1.0)
        yield Target(f"{row.what}: peak MB", row.ours.peak_mb, _ONE_LOAN_MB)


def _night(row: Row, loans: int) -> Iterator[Target]:
    if row.over_floor:
        yield Target(f"{row.what}: ours ÷ full floor", row.over_floor, _OVER_FLOOR)
    if row.over_ours and row.what.startswith("ordinary"):
        yield Target(f"{row.what}: script ÷ ours", row.over_ours, _OVER_OURS, least=True)
    yield Target(f"{row.what}: peak MB", row.ours.peak_mb, _most_mb(loans, payments="payments" in row.what))


def _most_mb(loans: int, *, payments: bool) -> int:
    if loans > MILLION:
        return 1300
    return 1000 if payments else 800


def _quiet(by_name: dict[str, Row]) -> Iterator[Target]:
    if "reading alone, ours" not in by_name:
        return
    quiet, own, text = (
        by_name[name].ours.cpu
        for name in ("quiet night, csv, paid_to_date", "reading alone, ours", "reading alone, pandas")
    )
    yield Target("quiet night ÷ own reading", quiet / own, 1.4)
    yield Target("own reading ÷ pandas as text", own / text, 1.5)


def _sending(by_name: dict[str, Row]) -> Iterator[Target]:
    for what, wanted in (("send by 100", 20_000), ("send by 100, PostgreSQL", 10_000)):
        if what in by_name:
            yield Target(f"{what}: messages/s", by_name[what].rate, wanted, least=True)
    for what, share in (("send singly, 32 on the wire", 0.85), ("send singly, 8 on the wire", 0.8)):
        if what in by_name:
            ratio = by_name[what].rate / by_name["bare requests loop, singly"].rate
            yield Target(f"{what} ÷ bare requests loop", ratio, share, least=True)
    if "send, nothing due" in by_name:
        idle = by_name["send, nothing due"].ours
        yield Target("send with nothing due: CPU s", idle.cpu, 0.7)
        yield Target("send with nothing due: peak MB", idle.peak_mb, 110)
