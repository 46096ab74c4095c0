"""Every benchmark of this folder, or the one that is named: `python -m benchmarks [NAME [NUMBER…]]`.

A benchmark is a module with `run(*numbers)`, which prints its figures with their floors, ratios and targets
and returns them; `ok` among them says whether every target was met.
"""

import importlib
import pkgutil
import sys

import benchmarks


def names() -> list[str]:
    """The modules that hold a benchmark."""
    found = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return [name for name in found if name != "__main__" and hasattr(_module(name), "run")]


def _module(name: str) -> object:
    return importlib.import_module(f"benchmarks.{name}")


def main(wanted: list[str]) -> int:
    """Run them one after the other; 1 when a target was missed, 2 when there is no such benchmark."""
    known = names()
    if wanted and wanted[0] not in known:
        print(f"no benchmark is called {wanted[0]}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    missed: list[str] = []
    for name in wanted[:1] or known:
        print(f"--- {name}", flush=True)
        figures = _module(name).run(*map(float, wanted[1:]))  # type: ignore[attr-defined]  # see `names`
        if not figures.get("ok", 1.0):
            missed.append(name)
        print(flush=True)
    print(f"targets missed: {', '.join(missed)}" if missed else "every target was met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
