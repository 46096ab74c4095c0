"""The files a night leaves in the reports folder."""

from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.plan import Plan
from carloan_notify.sources.rejects import write_rejects


def leave_papers(house: House, plan: Plan) -> str:
    """Write `rejects-<run>.csv` if any row was rejected; its path, else ""."""
    rejects = plan.portfolio.sources.rejects
    if rejects.empty:
        return ""
    folder = house.path(house.settings.reports.folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rejects-{plan.run_id}.csv"
    write_rejects(rejects, path)
    return str(path)
