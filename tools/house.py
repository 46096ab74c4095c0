"""The figures of the house: `make figures` prints how many doors it has, and how many of them one due notice opens.

Everything is measured from the code as it lies here: sizes and names from its syntax, options from the settings
classes, files run for one due notice from a night and a morning of one loan, sent to a loopback gateway.
"""

import ast
import csv
import inspect
import io
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from types import CodeType, FrameType
from typing import Any, Final

import grimp
import yaml

from carloan_notify.config.model import AppSettings

PACKAGE: Final = "carloan_notify"
ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / PACKAGE
GRADES: Final = ((5, "A"), (10, "B"), (20, "C"), (30, "D"), (40, "E"))
"""The most paths through a function, and its grade (radon's scale)."""
BRANCHES: Final = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.Assert)
NIGHT: Final = ("run", "--as-of", "2026-11-23", "--now", "2026-11-23T02:00:00+08:00")
MORNING: Final = ("send", "--now", "2026-11-23T10:00:00+08:00")
START_OF_SEND: Final = """
import sys
from carloan_notify.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    ours = [name for name in sys.modules if name.split(".")[0] == "carloan_notify"]
    print(len(ours), len(sys.modules))
"""

Functions = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Print every figure, a line each."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    for name, figure in {**sizes(trees), **shapes(trees), **structure(), **walked()}.items():
        print(f"{name:50}{figure}")  # noqa: T201 - its purpose


def sizes(trees: Mapping[Path, ast.Module]) -> dict[str, str]:
    """Modules, lines, and the spread of files and functions."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in trees}
    modules = [count for path, count in lines.items() if path.name != "__init__.py"]
    functions = list(_functions(trees.values()))
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    worst = max(map(paths_through, functions))
    return {
        "modules": str(len(modules)),
        "lines": f"{sum(lines.values()):,}",
        "file lines, median / p90 / max": f"{median(modules):.0f} / {_p90(modules):.0f} / {max(modules)}",
        "function lines, median / p90": f"{median(lengths):.0f} / {_p90(lengths):.0f}",
        "worst complexity": f"{_grade(worst)} ({worst})",
    }


def _functions(trees: Sequence[ast.Module] | Any) -> Iterator[Functions]:  # noqa: ANN401 - a dict's view
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def paths_through(function: Functions) -> int:
    """McCabe's number: one, and one more for every place where the way parts."""
    ways = 1
    for node in ast.walk(function):
        ways += isinstance(node, BRANCHES)
        if isinstance(node, ast.BoolOp):
            ways += len(node.values) - 1
        if isinstance(node, ast.comprehension):
            ways += len(node.ifs)
        if isinstance(node, ast.Match):
            ways += len(node.cases)
    return ways


def _grade(ways: int) -> str:
    return next((grade for most, grade in GRADES if ways <= most), "F")


def _p90(values: Sequence[int]) -> float:
    return quantiles(values, n=10)[-1]


def shapes(trees: Mapping[Path, ast.Module]) -> dict[str, str]:
    """Public class names that stand twice, and options of the configuration."""
    names = Counter(
        node.name
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    twice = sorted(name for name, count in names.items() if count > 1)
    schema = AppSettings.model_json_schema()
    classes = [schema, *schema["$defs"].values()]
    options = [len(part.get("properties", {})) for part in classes]
    return {
        "public class names used twice": f"{len(twice)} {', '.join(twice)}".strip(),
        "settings options (of the configuration's schema)": f"{sum(options)} in {len(schema['$defs'])}",
    }


def structure() -> dict[str, str]:
    """Cycles among modules; the layers are `lint-imports`' to judge."""
    graph = grimp.build_graph(PACKAGE)
    cycles = {
        module
        for module in graph.modules
        if any(
            graph.find_shortest_chain(importer=below, imported=module)
            for below in graph.find_modules_directly_imported_by(module)
        )
    }
    judge = Path(sys.executable).with_name("lint-imports")
    layers = subprocess.run([judge], cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - our own
    return {"modules in import cycles": str(len(cycles)), "layers": "broken" if layers.returncode else "held"}


def walked() -> dict[str, str]:
    """What one due notice opens on its way, and what `send` imports to start."""
    from carloan_notify.delivery.simulator.server import Simulator  # noqa: PLC0415 - the other figures need no server
    from carloan_notify.delivery.simulator.settings import Faults  # noqa: PLC0415 - same

    with tempfile.TemporaryDirectory() as place, Simulator(Faults(), seed=1) as simulator:
        for name in ("first", "second"):
            _one_loan(Path(place, name), simulator.url)
        _night_and_morning(Path(place, "first"))  # imports and first use, which are not the notice's way
        codes = _traced(lambda: _night_and_morning(Path(place, "second")))
        if simulator.gateway.stats()["accepted"] != 2:  # noqa: PLR2004 - one notice of each folder
            raise RuntimeError("the loopback gateway did not get the notice; the figures would be wrong")
        started = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", START_OF_SEND, *MORNING],
            cwd=Path(place, "second"),
            capture_output=True,
            text=True,
            check=True,
        )
    files = {code.co_filename for code in codes}
    ours, everything = started.stdout.split()[-2:]
    return {
        "files run for one due notice": str(len(files)),
        "functions run for one due notice": str(len(codes)),
        "modules imported by `send`, ours / all": f"{ours} / {everything}",
    }


def _one_loan(folder: Path, url: str) -> None:
    """A lender's folder with one loan, due today, and one provider of the type `http`."""
    _command(folder.parent, "init", folder.name)
    export = folder / "export" / "loans.csv"
    with export.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        due = next(row for row in rows if row["due_day"] == "23")
        columns = rows.fieldnames or ()
    with export.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerow(due | {"disbursed_on": "2026-10-23", "first_due_on": "2026-11-23"})
    path = folder / "config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = import_module(f"{PACKAGE}.delivery.simulator.settings")
    records = import_module(f"{PACKAGE}.records")
    gateway = settings.simulator_settings(url, records.Channel.SMS)
    values["sources"] = {"loans": values["sources"]["loans"]}
    values["delivery"] = {"channels": {"sms": ["gateway"]}, "providers": {"gateway": gateway}}
    values["rules"] = [rule for rule in values["rules"] if rule.get("channel") != "voice"]
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _night_and_morning(folder: Path) -> None:
    _command(folder, *NIGHT)
    _command(folder, *MORNING)


def _command(folder: Path, *args: str) -> None:
    """Run one command in this process; it has to end well."""
    command = import_module(f"{PACKAGE}.cli.main").main
    out = io.StringIO()
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(out):
            command(args)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"{' '.join(args)}: exit {ended.code}: {out.getvalue()[-2000:]}") from None


def _traced(act: Callable[[], None]) -> set[CodeType]:
    """Our functions that `act` runs, in every thread; bodies of modules and classes do not count."""
    codes: set[CodeType] = set()
    ours = str(SOURCE)

    def note(frame: FrameType, event: str, _value: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(ours):
            codes.add(code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return codes


if __name__ == "__main__":
    main()
