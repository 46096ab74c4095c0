"""Characterisation: what the command line says of two whole nights, kept word for word.

`GOLDEN=write make test` (or pytest on this file) writes `golden/` anew; read the difference before you commit it.
What is drawn at random, depends on the machine or on its speed is replaced by a name in order of appearance.
"""

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest
from filelock import FileLock

from tests.e2e.conftest import MORNING, NIGHT, Desk, Lender, copied
from tests.e2e.test_real_loans import TODAY, _paid_up_to, filed, us_lender  # noqa: F401 - `filed` is a fixture

FOLDER: Final = Path(__file__).parent / "golden"
WRITE: Final = os.environ.get("GOLDEN") == "write"
SHOWN: Final = 40
AS_OF: Final = "2026-11-23"
LOANS: Final = tuple(f"AD202600{number:04d}" for number in range(1, 62))
NEVER_SAME: Final = {
    "run": re.compile(r"\d{8}-\d{8}T\d{6,18}-[0-9a-f]{8}"),
    "link": re.compile(r"(?<=https://pay\.example\.com/[pc]/)[\w-]+"),
    "message": re.compile(r"\b[A-Z2-7]{26}\b"),
    "hash": re.compile(r"\b[0-9a-f]{32,64}\b"),
}
AN_HOUR: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d):\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
A_FOLDER: Final = re.compile(r"(?:/[\w.-]+)+/(?=[\w.-]+)")
AD_HOC: Final = (
    *(
        "schedule",
        "--principal",
        "5000",
        "--annual-rate",
        "0.12",
        "--term",
        "18",
        "--first-due",
        "2022-12-01",
    ),
    *("--installment-multiple", "1", "--change", "deferral@3", "--payment", "2022-12-01=305"),
    *("--as-of", AS_OF, "--format", "json"),
)


class Names:
    """Names for what is never the same, in order of appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def of(self, value: Any) -> Any:
        """The same JSON value with names in place of what is never the same; times cut to the hour."""
        if isinstance(value, Mapping):
            return {key: self.of(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(part) for part in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for kind, pattern in NEVER_SAME.items():
            text = pattern.sub(lambda found, kind=kind: self._name(kind, found.group()), text)  # type: ignore[misc] # mypy cannot type a default of a lambda
        return A_FOLDER.sub("", AN_HOUR.sub(r"\1\2", text)) if "https:" not in text else text

    def _name(self, kind: str, value: str) -> str:
        if value not in self._known:
            self._counts[kind] += 1
            self._known[value] = f"<{kind} {self._counts[kind]}>"
        return self._known[value]


def check(name: str, value: Any) -> None:
    """Compare with the golden of that name, or write it."""
    path = FOLDER / f"{name}.json.gz"
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if WRITE:
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    golden = gzip.decompress(path.read_bytes()).decode()
    if text != golden:
        lines = unified_diff(golden.splitlines(), text.splitlines(), "golden", "now", n=2, lineterm="")
        shown = [line for line, _ in zip(lines, range(SHOWN), strict=False)]
        pytest.fail(f"{name} differs; GOLDEN=write accepts it\n" + "\n".join(shown), pytrace=False)


def texts(lender: Lender) -> list[dict[str, Any]]:
    """Every message with its words, in an order of its own."""
    args = ("--limit", "100000", "--reveal", "--reason", "golden", "--format", "json")
    rows = lender.run("ledger", "messages", *args).json
    kept = [{key: row[key] for key in row if key not in {"attempts", "provider_ref"}} for row in rows]
    return sorted(
        kept, key=lambda row: (row["loans"], row["notice"], row["channel"], row["role"], row["phone"])
    )


def exported(lender: Lender) -> list[Any]:
    """The audit export: each row's kind, subject and data, each block's facts; no hash, signature, key or stamp."""
    path = lender.folder / f"audit-{len(list(lender.folder.glob('audit-*.jsonl')))}.jsonl"
    lender.run("audit", "export", str(path))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [_vouched(row) for row in rows if row.keys() & {"kind", "digest", "block"}]


def _vouched(row: dict[str, Any]) -> Any:
    if "digest" in row:
        digest = json.loads(row["digest"])
        return {"digest": {key: digest[key] for key in ("count", "counts", "format", "number", "run_id")}}
    if "block" in row:
        return {"block": row["block"], "facts": [json.loads(line) for line in row["facts"]]}
    data, subject = row["data"], row["subject"]
    if row["kind"] == "ledger.migrated":
        data, subject = {}, ""  # the schema's version is no behaviour
    if "stamps" in data.get("sources", {}):
        data = {**data, "sources": {**data["sources"], "stamps": sorted(data["sources"]["stamps"])}}
    return {"seq": row["seq"], "at": row["at"], "kind": row["kind"], "subject": subject, "data": data}


@pytest.fixture(scope="module")
def sample(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """The sample portfolio in a folder of its own."""
    return Lender(copied(fresh_folder, tmp_path_factory.mktemp("golden")))


def test_a_night_of_the_sample_portfolio(sample: Lender) -> None:
    names = Names()
    desk = Desk(sample.folder)
    night = ("run", "--as-of", AS_OF, "--now", NIGHT, "--format", "json")
    check("sample_preview", names.of(desk.run("preview", *night[1:]).json))
    check("sample_run", names.of(sample.run(*night).json))
    check("sample_audit", names.of(exported(desk)))
    check("sample_texts", names.of(texts(desk)))
    check("sample_again", names.of(desk.run(*night).json))
    check("sample_send", names.of(desk.send(MORNING)))
    check("sample_report", names.of(desk.run("report", "--format", "json").json))
    check("sample_sent", names.of(texts(desk)))
    kinds = {
        row.get("kind", "digest") for row in exported(desk)
    }  # how many answers share a row depends on speed
    check("sample_audit_kinds", sorted(kinds))


def test_explanations_and_schedules_of_the_sample_portfolio(desk: Desk) -> None:
    names = Names()
    explained = {
        loan: desk.run("explain", loan, "--as-of", AS_OF, "--now", NIGHT, "--format", "json").json
        for loan in LOANS[::5]
    }
    check("sample_explain", names.of(explained))
    schedules = {
        loan: desk.run("schedule", loan, "--as-of", AS_OF, "--format", "json").json for loan in LOANS[::8]
    }
    check("sample_schedule", names.of({**schedules, "ad hoc": desk.run(*AD_HOC).json}))


def test_a_night_of_real_loans(filed: pd.DataFrame, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    lender = us_lender(tmp_path, "computed")
    loans = filed.assign(paid_to_date=_paid_up_to(filed, TODAY)).drop(columns="usable")
    loans.to_csv(tmp_path / f"loans-{TODAY}.csv", index=False)
    names = Names()
    night = ("run", "--as-of", TODAY, "--now", f"{TODAY}T02:00:00-05:00", "--format", "json")
    check("real_run", names.of(lender.run(*night).json))
    check("real_audit", names.of(exported(lender)))
    check(
        "real_texts",
        names.of([{key: row[key] for key in ("loans", "notice", "text")} for row in texts(lender)]),
    )


def test_exit_codes(after: Desk) -> None:
    cases = {
        "clean": (0, ("config", "check")),
        "unknown option": (2, ("run", "--nope")),
        "unknown loan": (2, ("explain", "NOBODY", "--as-of", AS_OF)),
        "no such report": (2, ("report", "NO-SUCH-RUN")),
        "guard": (5, ("run", "--as-of", "2026-11-24", "--now", "2026-11-24T02:00:00+08:00")),
        "altered export": (1, ("audit", "verify", "--export", "altered.jsonl")),
    }
    after.run("audit", "export", "altered.jsonl")
    altered = after.folder / "altered.jsonl"
    altered.write_text(
        altered.read_text(encoding="utf-8").replace("due_today", "due_todax", 1), encoding="utf-8"
    )
    said = {name: [code, _last_line(after.run(*args, code=code).err)] for name, (code, args) in cases.items()}
    with FileLock(after.folder / "run.lock"):
        said["another night"] = [
            4,
            _last_line(after.run("run", "--as-of", AS_OF, "--now", NIGHT, code=4).err),
        ]
    check("exit_codes", Names().of(said))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
