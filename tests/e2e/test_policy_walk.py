"""Whatever is paid, promised, held or missed: nothing outside a binding window or over a binding cap, no notice lost.

A walk through nights that Hypothesis draws, held against the presets read plainly from their own words.
"""

import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from benchmarks.replay import Place, outside, over
from carloan_notify import frames
from carloan_notify.app import App, build_app
from carloan_notify.config.example import sample_values
from carloan_notify.hold_codes import HoldReason
from carloan_notify.notices.hold_settings import DEFAULT_HOLDS
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.pipeline.simulate import SENT, Night, Walk
from carloan_notify.records import Decision, MessageClass
from carloan_notify.sources.read import read_all

PLACES: Final = (
    Place("cn", "CN", "", "Asia/Shanghai", "+86100{:08d}"),
    Place("us-ma", "US", "MA", "America/New_York", "+1617555{:04d}"),
    Place("us-reg-f", "US", "HI", "Pacific/Honolulu", "+1808555{:04d}"),
    Place("th", "TH", "", "Asia/Bangkok", "+6681234{:04d}"),
    Place("id", "ID", "", "Asia/Jakarta", "+628123456{:04d}"),
    Place("au", "AU", "", "Australia/Sydney", "+614910{:05d}"),
    Place("in", "IN", "", "Asia/Kolkata", "+91987654{:04d}"),
)
BEGIN: Final = date(2026, 11, 19)
LOANS: Final = range(len(PLACES) * 2)
"""Two loans in each place, one due on the first night and one three days late then."""
COLUMNS: Final = (
    "loan_id,customer_id,borrower_name,phone,principal,annual_rate,term_months,disbursed_on,first_due_on,due_day,"
    "repayment_method,status,language,timezone,country,region"
)


def lender(folder: Path) -> App:
    """A lender with wide hours of its own and no caps, so that the presets alone hold back."""
    rows = [COLUMNS]
    for number in LOANS:
        place, due = PLACES[number % len(PLACES)], 19 - 3 * (number // len(PLACES))
        rows.append(
            f"L{number:02d},C{number % (len(PLACES) + 3):02d},Alex Morgan,{place.phone.format(number)},1200.00,0,12,"
            f"2026-10-01,2026-11-{due},{due},equal_principal,active,en,{place.zone},{place.country},{place.region}"
        )
    (folder / "export").mkdir()
    (folder / "export" / "loans.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "export" / "payments.csv").write_text("payment_id,loan_id,paid_on,amount\n", encoding="utf-8")
    values = sample_values()
    values["sources"] = {
        "loans": {"path": "export/loans.csv", "fictitious_phones": True},
        "payments": {"path": "export/payments.csv"},
    }
    values["messages"]["templates_dir"] = str(Path(__file__).parents[2] / "templates")
    values["messages"] |= {"pay_link_base": "", "certificate_link_base": ""}
    values["policy"] = {
        "presets": sorted({place.preset for place in PLACES}),
        "hours": [{"window": "00:00-23:59"}],
        "caps": [],
        "default_language": "en",
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return build_app(path)


class Nights(RuleBasedStateMachine):
    """Nights, missed nights and payments in any order."""

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.app = lender(Path(self._folder.name))
        sources = read_all(self.app.settings.sources, read_context(self.app, BEGIN))
        self.payments = frames.empty(frames.PAYMENTS)
        self.walk = Walk(self.app, sources, self.payments)
        self.before = self.walk.memory.recorded
        self.holds: list[dict[str, Any]] = []
        self.promised: list[tuple[str, date, date]] = []
        self.day = BEGIN
        self.nights: list[Night] = []
        self.open: set[str] = set()

    def teardown(self) -> None:
        self._folder.cleanup()

    @rule(days=st.integers(1, 3))
    def nights_pass(self, days: int) -> None:
        """Nights run, one after the other."""
        for _ in range(days):
            night = self.walk.night(self.day)
            decided = {*night.messages["idempotency_key"], *night.withheld["idempotency_key"]}
            lost = self.open - decided - self.walk.told
            assert not lost, f"held before and not decided on {self.day}: {lost}"
            held = night.withheld["decision"] == Decision.HELD.value
            self.open = set(night.withheld.loc[held, "idempotency_key"])
            assert (night.withheld["reason"] != "").all()
            self.nights.append(night)
            self.day += timedelta(days=1)

    @precondition(lambda self: bool(self.nights))
    @rule(days=st.integers(1, 4))
    def nights_are_missed(self, days: int) -> None:
        """The server is down."""
        self.day += timedelta(days=days)

    @rule(loan=st.sampled_from(LOANS), share=st.sampled_from([-1.0, 0.5, 1.0, 2.0]))
    def somebody_pays(self, loan: int, share: float) -> None:
        """Part of an installment, one, two, or one is taken back."""
        row = (f"P{len(self.payments)}", f"L{loan:02d}", pd.Timestamp(self.day), round(10_000 * share))
        more = pd.DataFrame([row], columns=list(frames.PAYMENTS)).astype(dict(frames.PAYMENTS))
        self.payments = pd.concat([self.payments, more], ignore_index=True)
        self.walk.payments = self.payments

    @rule(loan=st.sampled_from(LOANS), days=st.integers(1, 5))
    def somebody_promises(self, loan: int, days: int) -> None:
        """A promise is confirmed before the next night: collection waits until its end."""
        ends = self.day + timedelta(days=days)
        self.promised.append((f"L{loan:02d}", self.day, ends))
        self._put_on_record(f"L{loan:02d}", "promise", ends)

    @rule(loan=st.sampled_from(LOANS), kind=st.sampled_from(["hardship", "bankruptcy", "deceased"]))
    def somebody_is_held(self, loan: int, kind: str) -> None:
        """A clerk enters a hold."""
        last = DEFAULT_HOLDS[HoldReason(kind)].last_day(self.day, None)
        self._put_on_record(f"L{loan:02d}", kind, last)

    def _put_on_record(self, loan_id: str, kind: str, until: date | None) -> None:
        texts = dict.fromkeys(("customer_ref", "phone_hash", "message_class", "set_by", "set_on"), "")
        last = pd.Timestamp(until) if until else pd.NaT
        self.holds.append({**texts, "loan_id": loan_id, "kind": kind, "until": last})
        rows = pd.DataFrame(self.holds, columns=self.before.holds.columns)
        holds = rows.astype(self.before.holds.dtypes.to_dict())
        self.walk.memory = replace(self.walk.memory, recorded=replace(self.before, holds=holds))

    @invariant()
    def no_promise_is_chased(self) -> None:
        """From its day to its end no collection message about the loan leaves."""
        for night in getattr(self, "nights", []):
            sent = night.messages[night.messages["outcome"] == SENT]
            collected = set(sent.loc[sent["message_class"] == MessageClass.COLLECTION.value, "loan_id"])
            open_ones = {loan for loan, made, ends in self.promised if made <= night.day <= ends}
            assert not collected & open_ones, f"{night.day}: {collected & open_ones}"

    @invariant()
    def nothing_binding_is_broken(self) -> None:
        """Every message so far, under every preset that binds its person."""
        if not getattr(self, "nights", None):
            return
        every = pd.concat([night.messages for night in self.nights], ignore_index=True)
        sent = every[every["outcome"] == SENT]
        assert not sent["idempotency_key"].duplicated().any()
        for place in PLACES:
            mine = sent[sent["timezone"] == place.zone]
            preset = next(each for each in self.app.settings.policy.law if each.name == place.preset)
            assert outside(mine, preset, place) == 0
            assert over(mine, preset, place) == 0


Nights.TestCase.settings = settings(max_examples=4, stateful_step_count=9, deadline=None)
TestNights = Nights.TestCase
