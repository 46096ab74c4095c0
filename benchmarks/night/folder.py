"""The lender's folder of the benchmark: a real configuration as `init` writes it, and the exports of a morning."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pyarrow import csv

from benchmarks.night.portfolio import Portfolio
from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.records import Channel

Form = Literal["csv", "parquet"]
_RECEIVED: Final = """{% import '_parts.j2' as say %}
{{ borrower_name }}您好，{{ say.loan(contract_tail) }}{{ occurred_on | date }}收到还款{{ amount | money }}，谢谢。
{{ say.ask() }}
"""
"""Floor and script work out no schedule, so they cannot say which installments a payment paid."""
_AFTER_THE_END: Final = ("lien_reminder", "settled_offer")
"""Neither floor nor script follows a loan beyond its settlement."""
NOWHERE: Final = "http://127.0.0.1:9"
"""Where nobody listens: no night of the benchmark sends anything before its morning."""


@dataclass(frozen=True, slots=True)
class Export:
    """Where and how the tables of a lender stand."""

    folder: Path
    form: Form
    payments: bool

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that there are."""
        return ("loans", "payments") if self.payments else ("loans",)

    def path(self, table: str) -> Path:
        """The file of a table."""
        return self.folder / "export" / f"{table}.{self.form}"

    def write(self, portfolio: Portfolio, as_of: date, *, later: bool = False) -> int:
        """Write the export of a morning (or of a `later` hour), a partition at a time; the bytes written."""
        with ExitStack() as open_files:
            writers: dict[str, Any] = {}
            for partition in portfolio.partitions(as_of, later=later):
                tables = {"loans": partition.loans(paid_to_date=not self.payments)}
                if self.payments:
                    tables["payments"] = partition.payments()
                for name, table in tables.items():
                    if name not in writers:
                        writers[name] = open_files.enter_context(self._writer(name, table.schema))
                    writers[name].write_table(table)
        return sum(self.path(name).stat().st_size for name in self.tables)

    def _writer(self, table: str, schema: pa.Schema) -> Any:  # noqa: ANN401 - pyarrow ships no types
        if self.form == "parquet":
            return pq.ParquetWriter(self.path(table), schema)
        return csv.CSVWriter(
            self.path(table),
            schema,
            write_options=csv.WriteOptions(quoting_style="none", quoting_header="none"),
        )


def make_folder(export: Export) -> None:
    """What `init` writes, with the tables of `export` and no others; guards and rules have their defaults."""
    init_folder(export.folder)
    for sample in (export.folder / "export").iterdir():
        sample.unlink()
    tables = {
        name: {"path": f"export/{export.path(name).name}", "fictitious_phones": True}
        for name in export.tables
    }
    change_config(export.folder, {"sources": tables, "certificates": {}})
    values = yaml.safe_load((export.folder / "config.yaml").read_text(encoding="utf-8"))
    rules = [rule for rule in values["rules"] if rule["notice"] not in _AFTER_THE_END]
    change_config(
        export.folder, {"messages": values["messages"] | {"certificate_link_base": ""}, "rules": rules}
    )
    (export.folder / "templates" / "zh-CN" / "payment_received.sms.j2").write_text(
        _RECEIVED, encoding="utf-8"
    )
    send_to(export.folder, NOWHERE)


def send_to(folder: Path, url: str, batch_limit: int = 1, wires: int = 1) -> None:
    """Let both channels send to the gateway at `url`: so many text messages a request, so many requests at once."""
    providers = {
        name: simulator_settings(url, channel, batch_limit=batch_limit) | {"concurrency": wires}
        for name, channel in (("texts", Channel.SMS), ("calls", Channel.VOICE))
    }
    channels = {"sms": ["texts"], "voice": ["calls"]}
    change_config(folder, {"delivery": {"channels": channels, "providers": providers}})


def change_config(folder: Path, sections: Mapping[str, Any]) -> None:
    """Put whole sections in the place of those that are there."""
    path = folder / "config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | sections
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
