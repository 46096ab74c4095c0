"""Is tonight plausible?"""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.loans.calendar import working_days
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.notices.expected import Expected
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.guard_view import NightEvidence
from carloan_notify.notices.guards import GUARDS, check_guards
from carloan_notify.notices.measures import Share
from carloan_notify.records import GuardResult, NightFacts
from tests.unit.notices.tables import AS_OF

NIGHT = NightFacts(
    as_of=AS_OF,
    loans_read=1000,
    payments_read=900,
    rows_read=2000,
    rows_rejected=3,
    active_loans=900,
    overdue_loans=45,
    messages=120,
    cost_minor=600,
    export_on=AS_OF,
    content_digest="tonight",
    newest_payment_on=AS_OF - timedelta(days=1),
)
LAST = replace(NIGHT, as_of=AS_OF - timedelta(days=1), content_digest="last")
MONDAYS = [
    replace(NIGHT, as_of=AS_OF - timedelta(weeks=weeks), content_digest=str(weeks)) for weeks in (4, 3, 2, 1)
]


def tripped(tonight: NightFacts, *history: NightFacts, settings: GuardSettings | None = None) -> list[str]:
    return [one.guard for one in check_guards(tonight, history, settings or GuardSettings()) if one.tripped]


def result(name: str, tonight: NightFacts, *history: NightFacts) -> GuardResult:
    return next(one for one in check_guards(tonight, history, GuardSettings()) if one.guard == name)


def test_an_ordinary_night_and_a_first_night_pass() -> None:
    assert tripped(NIGHT, *MONDAYS, LAST) == []
    assert tripped(NIGHT) == []
    assert [one.guard for one in check_guards(NIGHT, [], GuardSettings())] == list(GUARDS)


def test_a_tripped_guard_says_what_was_measured_and_how_to_go_on() -> None:
    found = result("row_drop", replace(NIGHT, loans_read=500), LAST)
    assert found.message == "500 loans were read after 1000 on 2026-11-22; a fall of 10.0% is allowed."
    assert "--accept row_drop" in found.cure
    assert not result("row_drop", NIGHT, LAST).cure


def test_a_stale_export() -> None:
    assert tripped(replace(NIGHT, export_on=AS_OF - timedelta(days=1))) == []
    assert tripped(replace(NIGHT, export_on=AS_OF - timedelta(days=2))) == ["export_stale"]
    assert tripped(replace(NIGHT, export_on=None)) == []


def test_the_last_nights_export() -> None:
    assert tripped(NIGHT, replace(LAST, content_digest="tonight")) == ["same_export"]
    assert tripped(replace(NIGHT, content_digest=""), replace(LAST, content_digest="")) == []


def test_half_the_rows() -> None:
    assert tripped(replace(NIGHT, loans_read=500), LAST) == ["row_drop"]
    assert tripped(replace(NIGHT, loans_read=900), LAST) == []
    assert tripped(NIGHT, replace(LAST, loans_read=0)) == []


def test_payments_gone_missing() -> None:
    assert tripped(replace(NIGHT, payments_read=None, newest_payment_on=None), LAST) == ["no_new_payments"]
    assert tripped(replace(NIGHT, payments_read=0), LAST) == ["no_new_payments"]
    old = replace(NIGHT, newest_payment_on=AS_OF - timedelta(days=8))
    assert tripped(old) == ["no_new_payments"]
    assert tripped(old, settings=GuardSettings(max_payment_age_days=None)) == []
    assert (
        tripped(replace(NIGHT, payments_read=None, newest_payment_on=None), replace(LAST, payments_read=None))
        == []
    )


def test_a_tripled_overdue_share() -> None:
    assert tripped(replace(NIGHT, overdue_loans=135), LAST) == ["overdue_jump"]
    assert tripped(replace(NIGHT, overdue_loans=70), LAST) == []
    assert tripped(replace(NIGHT, active_loans=0, overdue_loans=0), LAST) == []
    few = replace(NIGHT, active_loans=9000, overdue_loans=6)
    assert tripped(few, replace(LAST, active_loans=9000, overdue_loans=1)) == []


def expecting(least: int, most: int, tonight: NightFacts, *history: NightFacts) -> list[str]:
    evidence = NightEvidence(expected=Expected(least, most))
    return [one.guard for one in check_guards(tonight, history, GuardSettings(), evidence) if one.tripped]


def test_too_many_or_too_few_messages_and_a_strange_cost() -> None:
    usual = [replace(one, occasions=120) for one in MONDAYS]
    assert expecting(90, 140, NIGHT, *usual) == []
    assert expecting(20, 30, replace(NIGHT, messages=141), *usual) == ["message_count"]
    assert expecting(20, 30, replace(NIGHT, messages=140), *usual) == []
    assert expecting(600, 600, replace(NIGHT, messages=149, cost_minor=1000), *usual) == ["message_count"]
    assert expecting(90, 140, replace(NIGHT, cost_minor=6000), *usual) == ["cost"]
    assert tripped(replace(NIGHT, messages=5000), *MONDAYS) == []  # nothing says what to expect


def test_one_odd_night_does_not_blind_the_guard() -> None:
    odd = [replace(one, occasions=120) for one in (replace(MONDAYS[0], messages=100_000), *MONDAYS[1:])]
    assert expecting(90, 140, replace(NIGHT, messages=5000), *odd) == ["message_count"]


def test_running_the_same_night_again_trips_nothing() -> None:
    again = replace(NIGHT, messages=0, cost_minor=0)
    assert tripped(again, *MONDAYS, LAST, NIGHT) == []


def test_later_nights_are_not_looked_at() -> None:
    later = replace(NIGHT, as_of=AS_OF + timedelta(days=1), loans_read=9000, cost_minor=10**9)
    assert tripped(NIGHT, later, settings=GuardSettings(monthly_cost_cap_minor=700)) == []


def test_many_rejected_rows() -> None:
    assert tripped(replace(NIGHT, rows_rejected=101)) == ["reject_rate"]
    assert tripped(replace(NIGHT, rows_rejected=100)) == []
    assert tripped(replace(NIGHT, rows_read=0, rows_rejected=0)) == []


def test_cost_caps_count_the_whole_day_and_month() -> None:
    caps = GuardSettings(daily_cost_cap_minor=1000, monthly_cost_cap_minor=1700)
    assert tripped(NIGHT, settings=caps) == []
    assert tripped(NIGHT, NIGHT, settings=caps) == ["daily_cost_cap"]
    assert tripped(NIGHT, LAST, replace(LAST, as_of=date(2026, 11, 1)), settings=caps) == ["monthly_cost_cap"]
    assert tripped(NIGHT, LAST, replace(LAST, as_of=date(2026, 10, 31)), settings=caps) == []
    assert tripped(NIGHT, LAST, replace(LAST, as_of=date(2025, 11, 22)), settings=caps) == []


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 3000), st.integers(1, 4))
def test_message_count_like_its_plain_twin(least: int, more: int, messages: int, each: int) -> None:
    usual = replace(LAST, occasions=100, messages=100 * each)
    wrong = messages > 3 * (least + more) * each + 50 or messages < least * each / 3 - 50
    found = expecting(least, least + more, replace(NIGHT, messages=messages), usual)
    assert ("message_count" in found) is wrong


def test_a_handful_of_loans_may_leap() -> None:
    few = replace(LAST, active_loans=4, overdue_loans=0)
    assert tripped(replace(NIGHT, active_loans=4, overdue_loans=2), few) == []
    assert "overdue_jump" in tripped(
        replace(NIGHT, active_loans=40, overdue_loans=12), replace(few, active_loans=40)
    )


def test_a_handful_of_loans_pays_rarely() -> None:
    old = replace(NIGHT, newest_payment_on=AS_OF - timedelta(days=30))
    assert "no_new_payments" in tripped(old)
    assert tripped(replace(old, active_loans=49, overdue_loans=2)) == []


def test_a_large_table_does_not_dilute_a_small_one() -> None:
    lost = replace(NIGHT, rows={"loans": 61, "payments": 1600}, rejected={"loans": 61, "payments": 0})
    assert tripped(lost) == ["reject_rate"]
    assert tripped(replace(lost, rejected={"loans": 5})) == []
    assert tripped(replace(lost, rejected={"loans": 8})) == []
    assert tripped(replace(lost, rejected={"loans": 13})) == ["reject_rate"]
    assert tripped(replace(lost, rows={"loans": 30}, rejected={"loans": 8})) == ["reject_rate"]
    assert tripped(replace(lost, rows={"loans": 3}, rejected={"loans": 3})) == ["reject_rate"]


def test_one_unknown_word_drops_a_group() -> None:
    word = {"loans|status|unknown_value|诉讼": 16}
    lost = replace(NIGHT, rows={"loans": 1000}, rejected={"loans": 16}, reject_groups=word)
    assert tripped(lost) == ["reject_rate"]
    assert "loans: status=诉讼 ×16" in result("reject_rate", lost).message
    assert tripped(lost, replace(LAST, reject_groups=word)) == []  # accepted the night before
    scattered = replace(lost, reject_groups={"loans|phone|phone_invalid|": 16})
    assert tripped(scattered) == []


def test_a_column_that_went_blank() -> None:
    before = replace(LAST, rows={"loans": 1000}, filled={"loans.phone": 1000, "loans.plate_no": 100})
    now = replace(NIGHT, rows={"loans": 1000}, filled={"loans.phone": 1000, "loans.plate_no": 0})
    assert tripped(now, before) == []
    assert tripped(replace(now, filled={"loans.phone": 400}), before) == ["column_blank"]
    assert tripped(replace(now, filled={}), before) == ["column_blank"]


def test_a_last_line_without_its_end() -> None:
    cut = replace(NIGHT, ended={"loans": False, "payments": True})
    assert tripped(cut) == ["incomplete_export"]
    assert tripped(cut, replace(LAST, ended={"loans": False, "payments": True})) == []  # it never has one
    assert tripped(replace(NIGHT, ended={"loans": False})) == []
    assert tripped(replace(NIGHT, incomplete={"loans": "the marker file is missing"})) == [
        "incomplete_export"
    ]


def test_payments_of_yesterday_beside_loans_of_today() -> None:
    fell = NightEvidence({"dues_unpaid": Share(0, 30)})
    now = replace(NIGHT, digests={"loans": "new", "payments": "old"})
    before = replace(LAST, digests={"loans": "old", "payments": "old"})
    found = check_guards(now, [before], GuardSettings(), fell)
    assert [one.guard for one in found if one.tripped] == ["same_export"]
    assert tripped(now, before) == []  # nothing fell due: a quiet day
    stale = replace(now, export_dated=True, digests={"loans": "old", "payments": "new"})
    assert tripped(stale, before) == ["same_export"]


def test_an_export_of_the_future_is_another_nights() -> None:
    ahead = replace(NIGHT, export_on=AS_OF + timedelta(days=2), export_dated=True)
    assert tripped(ahead) == ["export_stale"]
    assert tripped(replace(ahead, export_dated=False)) == []
    assert tripped(replace(ahead, export_on=AS_OF + timedelta(days=1))) == []


# AS_OF is a Monday. A lender that posts nothing at weekends has no new payments on Sunday and on Monday.
WORKING = working_days(ScheduleSettings())
FRIDAY = AS_OF - timedelta(days=3)


def on(day: date, payments: str) -> NightFacts:
    digests = {"payments": payments, "loans": f"{day}"}
    return replace(NIGHT, as_of=day, content_digest=f"{day}", digests=digests, newest_payment_on=FRIDAY)


def weekend(at_rest: Share, *history: NightFacts, tonight: NightFacts | None = None) -> list[str]:
    evidence = NightEvidence(
        {"dues_unpaid": Share(30, 30), "paid_at_rest": at_rest}, Expected(0, 200), WORKING
    )
    found = check_guards(tonight or on(AS_OF, "fri"), history, GuardSettings(), evidence)
    return [one.guard for one in found if one.tripped]


NEVER, ALWAYS, UNTOLD = Share(1, 1000), Share(280, 1000), Share(0, 20)
SUNDAY = on(AS_OF - timedelta(days=1), "fri")
SATURDAY = on(AS_OF - timedelta(days=2), "fri")


def test_a_lender_that_posts_on_working_days_only_has_nothing_new_after_days_of_rest() -> None:
    assert weekend(NEVER, SUNDAY) == []
    assert weekend(ALWAYS, SUNDAY) == weekend(UNTOLD, SUNDAY) == ["same_export", "unpaid_dues"]
    tuesday = replace(on(AS_OF + timedelta(days=1), "fri"), export_on=AS_OF + timedelta(days=1))
    monday = on(AS_OF, "fri")
    assert weekend(NEVER, monday, tonight=tuesday) == ["same_export", "unpaid_dues"]


def test_what_earlier_days_of_rest_brought_tells_more_than_dates() -> None:
    assert weekend(ALWAYS, SATURDAY, SUNDAY) == []  # Saturday brought nothing, and the night was accepted
    posted = replace(SATURDAY, digests={"payments": "thu", "loans": "sat"})
    assert weekend(NEVER, posted, SUNDAY) == ["same_export", "unpaid_dues"]


def test_tables_of_the_evening_hold_the_payments_of_their_own_day() -> None:
    friday = replace(on(FRIDAY, "fri"), newest_payment_on=FRIDAY)
    saturday = replace(SATURDAY, export_on=SATURDAY.as_of)
    assert weekend(NEVER, friday, tonight=saturday) == []
    thursday = replace(friday, newest_payment_on=FRIDAY - timedelta(days=1))
    assert weekend(NEVER, thursday, tonight=saturday) == [
        "same_export",
        "unpaid_dues",
    ]  # of the night before Friday
    monday = on(AS_OF, "fri")
    assert weekend(NEVER, friday, SATURDAY, SUNDAY, tonight=monday) == ["same_export", "unpaid_dues"]


def test_the_age_of_an_export_and_of_payments_is_counted_in_working_days() -> None:
    friday = replace(on(AS_OF, "fri"), export_on=FRIDAY)
    assert weekend(NEVER, SUNDAY, tonight=friday) == []
    assert "export_stale" in weekend(ALWAYS, SUNDAY, tonight=friday)
    thursday = replace(on(AS_OF, "fri"), export_on=FRIDAY - timedelta(days=1))
    assert weekend(NEVER, SUNDAY, tonight=thursday) == ["export_stale"]
    old = replace(on(AS_OF, "fri"), unpaid_since=40)
    nine = replace(old, newest_payment_on=AS_OF - timedelta(days=9))
    assert weekend(NEVER, SUNDAY, tonight=nine) == []
    assert "no_new_payments" in weekend(ALWAYS, SUNDAY, tonight=nine)
    assert weekend(NEVER, SUNDAY, tonight=replace(old, newest_payment_on=AS_OF - timedelta(days=14))) == [
        "no_new_payments"
    ]


def test_dues_that_are_usually_late_stop_no_night() -> None:
    evidence = NightEvidence({"dues_unpaid": Share(18, 30)})
    late = [one.guard for one in check_guards(NIGHT, [LAST], GuardSettings(), evidence) if one.tripped]
    usual = replace(LAST, dues_unpaid=550)
    again = [one.guard for one in check_guards(NIGHT, [usual], GuardSettings(), evidence) if one.tripped]
    assert (late, again) == (["unpaid_dues"], [])


def test_orphans_that_were_accepted_are_usual() -> None:
    evidence = NightEvidence({"orphans_payments": Share(200, 1000)})
    first = [one.guard for one in check_guards(NIGHT, [], GuardSettings(), evidence) if one.tripped]
    usual = replace(LAST, orphans={"payments": 190})
    again = [one.guard for one in check_guards(NIGHT, [usual], GuardSettings(), evidence) if one.tripped]
    assert (first, again) == (["orphan_rows"], [])
