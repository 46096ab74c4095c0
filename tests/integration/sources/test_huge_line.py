import tracemalloc
from datetime import date
from pathlib import Path

from carloan_notify.sources.read import read_table
from carloan_notify.sources.settings import ReadContext, TableSettings

HUGE = 200 * 1024 * 1024


def test_a_line_of_200_mb_is_rejected_and_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "payments.csv"
    with path.open("wb") as file:
        file.write(b"payment_id,loan_id,paid_on,amount\nP1,L1,2026-11-01,5\n")
        for _ in range(HUGE // (1024 * 1024)):
            file.write(b"x" * (1024 * 1024))
        file.write(b"\nP2,L1,2026-11-02,6\n")
    context = ReadContext(date(2026, 11, 23), tmp_path, "supplied", "CNY", "CN", "Asia/Shanghai")
    tracemalloc.start()
    table = read_table("payments", TableSettings(path="payments.csv"), context=context)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.rejects[["line", "code"]].to_numpy().tolist() == [[3, "line_too_long"]]
    assert table.frame["payment_id"].tolist() == ["P1", "P2"]
    assert peak < 20 * 1024 * 1024
