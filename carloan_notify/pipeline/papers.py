"""The files a night leaves behind: rejected rows, its figures, its metrics."""

import json
from pathlib import Path

from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.plan import Plan
from carloan_notify.reports.metrics import write_metrics
from carloan_notify.reports.night import NightReport, reconciling_object
from carloan_notify.sources.rejects import write_rejects


def leave_rejects(house: House, plan: Plan) -> str:
    """Write `rejects-<run>.csv` if any row was rejected; its path, else ""."""
    rejects = plan.portfolio.sources.rejects
    if rejects.empty:
        return ""
    path = _folder(house) / f"rejects-{plan.run_id}.csv"
    write_rejects(rejects, path)
    return str(path)


def leave_figures(house: House, report: NightReport) -> None:
    """Write `night-<run>.json`, the reconciling object, and the metrics file if one is configured."""
    text = json.dumps(reconciling_object(report), ensure_ascii=False, indent=1)
    (_folder(house) / f"night-{report.run_id}.json").write_text(text + "\n", encoding="utf-8")
    if house.settings.reports.metrics_file:
        write_metrics(report, house.clock(), house.path(house.settings.reports.metrics_file))


def _folder(house: House) -> Path:
    folder = house.path(house.settings.reports.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
