"""Whether our clock and a vendor's agree: a signature made at the wrong time is refused."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from carloan_notify.delivery.provider import CheckResult, Verdict
from carloan_notify.delivery.web_dates import web_date

LARGEST_SKEW: Final = timedelta(minutes=5)


def clock_check(headers: Mapping[str, str], now: datetime) -> CheckResult:
    """The verdict on our clock by the `Date` of an answer (RFC 9110 §6.6.1); `now` is aware UTC."""
    try:
        theirs = web_date(headers.get("Date", ""))
    except ValueError:
        return CheckResult("clock", Verdict.UNTOLD, "the answer carries no date")
    off_s = round((now - theirs).total_seconds())
    if abs(off_s) > LARGEST_SKEW.total_seconds():
        where = "ahead of" if off_s > 0 else "behind"
        return CheckResult(
            "clock",
            Verdict.WRONG,
            f"{abs(off_s)} s {where} the provider's; set it (NTP), or requests are refused",
        )
    return CheckResult("clock", Verdict.OK, f"within {abs(off_s)} s of the provider's")
