PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test test-clock coverage soak lint bench bench-large figures clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

demo: $(STAMP)  ## a full night on a sample portfolio and the built-in simulator
	$(BIN)/python -m carloan_notify.cli.main demo

test: $(STAMP)  ## the whole suite
	$(BIN)/python -m pytest -n 2

# libfaketime (built by gcc from its package) moves the clock; time that measures how long something takes stays true.
# Long walks that live by their own clock stay out, and the browser, which does not start under a clock that is moved.
# What fails is run once more by itself: a test that depends on the day fails again, one that lacked a processor passes.
OWN_CLOCK := $(addprefix --ignore=tests/,e2e/test_guard_nights.py e2e/test_policy_walk.py e2e/scenarios \
    integration/inbound/test_link_browser.py $(addprefix integration/reliability/,test_crash_points.py))
CLOCKS := "+45d" "@2028-02-29 12:00:00" "@2027-12-31 23:50:00"
FAKED := FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
FIND_IT := import pathlib, libfaketime; print(*pathlib.Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))

test-clock: $(STAMP)  ## e2e and integration on other days: in 45 days, on 29 February, at the turn of the year
	@command -v gcc >/dev/null || { echo "gcc is missing: apt-get install gcc libc6-dev"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt libfaketime
	library=$$($(BIN)/python -c '$(FIND_IT)') && for day in $(CLOCKS); do \
	    echo "clock: $$day"; \
	    suite="$(FAKED) LD_PRELOAD=$$library $(BIN)/python -m pytest tests/e2e tests/integration $(OWN_CLOCK)"; \
	    FAKETIME="$$day" env $$suite -n 2 || FAKETIME="$$day" env $$suite -n 0 --last-failed || exit 1; \
	done

coverage: $(STAMP)  ## the same, traced: twice as long
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=95

# A crash at every point of nine commands on both databases, and at every pair of points of two senders; `make test` takes
# three points of each command. Not part of .ci/run: start it before a release, and after a change of a commit's place.
soak: $(STAMP)  ## the long runs: hundreds of kills, a crash at every point and pair of points, four senders and 20,000 messages
	$(BIN)/python -m pytest -m soak -s

lint: $(STAMP)  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy carloan_notify tests benchmarks tools
	$(BIN)/lint-imports

bench: $(STAMP)  ## figures, as ratios against a floor measured in the same run
	$(BIN)/python -m benchmarks

bench-large: $(STAMP)  ## the night at 1, 3 and 10 million loans, written into docs/performance.md; hours, and 10 GB of disk
	for loans in 1000000 3000000 10000000; do $(BIN)/python -m benchmarks.night $$loans --write; done

figures: $(STAMP)  ## the size of the house, and how much of it one due notice walks through
	$(BIN)/python -m tools.house

clean:
	rm -rf $(VENV) dist build .coverage* .pytest_cache .mypy_cache .ruff_cache
