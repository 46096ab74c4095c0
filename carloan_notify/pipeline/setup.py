"""Set a lender up: config, templates, keys and a sample export."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pydantic
import yaml

from carloan_notify.app import App, build_app
from carloan_notify.config.example import example_text, sample_values
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.errors import ConfigError
from carloan_notify.ledger.keys import write_private
from carloan_notify.ledger.ledger import create_keys
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.verify import Verification
from carloan_notify.messages.render import default_templates_dir
from carloan_notify.messages.settings import LINK_KEY_FILE
from carloan_notify.pipeline.history import run_figures
from carloan_notify.pipeline.night import NightOrder, run_night
from carloan_notify.pipeline.preview import preview_night
from carloan_notify.pipeline.returns import pull_returns, reconcile
from carloan_notify.pipeline.send import send_due
from carloan_notify.records import Channel
from carloan_notify.reports.night import NightReport

SAMPLE_DATE = "2026-11-23"


def init_folder(folder: Path) -> list[Path]:
    """Write config, templates, keys and a sample export into `folder`; the paths made.

    Raises:
        ConfigError: something of it is there already. Nothing is overwritten, nothing half done.
    """
    wanted = {name: folder / name for name in ("config.yaml", "templates", "export")}
    present = [path for path in wanted.values() if path.exists()]
    if present:
        raise ConfigError(
            [f"{path}: is there already; choose another folder or remove it" for path in present]
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(default_templates_dir(), wanted["templates"])
    shutil.copytree(sample_export_dir(), wanted["export"])
    wanted["config.yaml"].write_text(example_text(), encoding="utf-8")
    link_key = folder / LINK_KEY_FILE
    write_private(link_key, secrets.token_hex(32).encode())
    return [*wanted.values(), *create_keys(LedgerSettings(), folder), link_key]


def sample_export_dir() -> Path:
    """The sample export that comes with the package: inside a wheel, or at the top of an editable clone.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(str(files("carloan_notify")))
    for folder in (package / "_data" / "export", package.parent / "samples" / "export"):
        if folder.is_dir():
            return folder
    raise ConfigError(["the packaged sample export is missing; install carloan-notify again"])


# The simulator as the command line starts it.


def make_simulator(port: int, seed: int, faults: Path | None) -> Simulator:
    """A simulator with the faults of a YAML file, or without any.

    Raises:
        ConfigError: the file holds unknown or impossible faults.
    """
    if faults is None:
        return Simulator(Faults(), seed=seed, port=port)
    try:
        given = yaml.safe_load(faults.read_text(encoding="utf-8")) or {}
        return Simulator(Faults.model_validate(given), seed=seed, port=port)
    except yaml.YAMLError as error:
        raise ConfigError([f"{faults}: not valid YAML: {' '.join(str(error).split())}"]) from error
    except pydantic.ValidationError as error:
        raise ConfigError(
            [f"{faults}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        ) from None


# One night and the morning after, on the sample portfolio and the simulator: what a lender would see.

NIGHT = datetime.fromisoformat(f"{SAMPLE_DATE}T02:00:00+08:00")
MORNING = datetime.fromisoformat(f"{SAMPLE_DATE}T10:00:00+08:00")
EVENING = datetime.fromisoformat(f"{SAMPLE_DATE}T18:30:00+08:00")
OPERATOR = "demo"
# A lifelike evening: a few numbers are dead, some requests come to nothing, some answers get lost on the way.
FAULTS = Faults(rejected=0.03, busy=0.05, unavailable=0.04, dropped_after=0.04, undelivered=0.05)


@dataclass(frozen=True, slots=True)
class Demo:
    """Everything the demo did, in order."""

    folder: Path
    night: NightReport
    rows: tuple[Mapping[str, Any], ...]
    again: NightReport
    paid_loan: str
    morning: DrainSummary
    evening: DrainSummary
    reconciled: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    gateway: dict[str, int]
    figures: dict[str, Any]
    verified: Verification


def run_demo(folder: Path) -> Demo:
    """Set up `folder` and live through a night: plan at 02:00, a payment at 08:00, send in contact hours.

    Raises:
        ConfigError: the folder holds something already.
    """
    init_folder(folder)
    order = NightOrder(date.fromisoformat(SAMPLE_DATE), OPERATOR)
    with _simulator(folder) as simulator:
        night_house = _at(folder, NIGHT)
        rows = preview_night(night_house, order).rows
        night = run_night(night_house, order)
        again = run_night(night_house, order)
        paid_loan = _pay_overdue_loan(folder, rows)
        morning = send_due(_at(folder, MORNING)).summary
        evening_house = _at(folder, EVENING)
        evening = send_due(evening_house).summary
        reconciled = reconcile(evening_house)
        receipts = pull_returns(evening_house)
        with evening_house.open_ledger() as ledger:
            verified = ledger.verify_audit()
        return Demo(
            folder=folder,
            night=night,
            rows=rows,
            again=again,
            paid_loan=paid_loan,
            morning=morning,
            evening=evening,
            reconciled=reconciled,
            receipts=receipts,
            gateway=simulator.gateway.stats(),
            figures=run_figures(evening_house, night.run_id),
            verified=verified,
        )


def _at(folder: Path, now: datetime) -> App:
    return build_app(folder / "config.yaml", now)


@contextmanager
def _simulator(folder: Path) -> Iterator[Simulator]:
    """A simulator, and a configuration in `folder` that sends to it."""
    with Simulator(FAULTS, seed=7) as simulator:
        values = sample_values()
        gateway = simulator_settings(simulator.url, Channel.SMS)
        gateway["channels"] = [channel.value for channel in Channel]
        gateway["request"]["url"] = f"{simulator.url}/{{channel}}/send"
        values["delivery"] = {
            "channels": {channel.value: ["simulator"] for channel in Channel},
            "providers": {"simulator": gateway | {"unit_price_minor": 5}},
            "canary": {"size": 5, "min_accept_share": 0.2},
            "retry": {"first_s": 0.2, "longest_s": 2},
        }
        text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        yield simulator


def _pay_overdue_loan(folder: Path, rows: tuple[Mapping[str, Any], ...]) -> str:
    """A borrower who is one day late pays before the morning's messages leave; the loan that is settled so."""
    late = [row for row in rows if row["notice"] == "overdue_1" and row["decision"] == "queued"]
    loan_id = str(late[0]["loan_id"])
    payments = folder / "export" / "payments.csv"
    with payments.open("a", encoding="utf-8") as file:
        file.write(f"P-DEMO,{loan_id},{SAMPLE_DATE},99999.00\n")
    return loan_id
