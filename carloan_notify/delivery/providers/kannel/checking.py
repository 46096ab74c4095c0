"""A look at Kannel without sending: the user, the clock, the links of bearerbox."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from carloan_notify.delivery.provider import CheckResult, Verdict
from carloan_notify.delivery.providers.kannel.answers import answer_code
from carloan_notify.delivery.providers.kannel.settings import KannelSettings
from carloan_notify.delivery.safe_xml import safe_root
from carloan_notify.delivery.web_dates import web_date
from carloan_notify.delivery.wire import Wire, WireAnswer, WireFault, WireRequest

WIDEST_SKEW: Final = timedelta(minutes=5)


def look(
    wire: Wire, settings: KannelSettings, without_number: WireRequest, now: datetime
) -> list[CheckResult]:
    """`without_number` is a send request that Kannel refuses after it has checked user and password."""
    end = wire.exchange(without_number)
    found = [_credentials(end)]
    if isinstance(end, WireAnswer):
        found.append(_clock(end, now))
    if settings.admin_url and settings.status_password is not None:
        password = quote(settings.status_password.get_secret_value(), safe="")
        url = f"{settings.admin_url.rstrip('/')}/status.xml?password={password}"
        found += _links(wire.exchange(WireRequest("GET", url, {}, b"")))
    else:
        found.append(CheckResult("links", Verdict.UNTOLD, "set admin_url and status_password to see them"))
    return found


def _credentials(end: WireAnswer | WireFault) -> CheckResult:
    if isinstance(end, WireFault):
        return CheckResult("credentials", Verdict.WRONG, f"smsbox cannot be reached: {end.code}")
    code = answer_code(end)
    if code.startswith("Authorization_failed"):
        return CheckResult("credentials", Verdict.WRONG, "Kannel refuses user, password or this host")
    if "receiver" in code:
        return CheckResult("credentials", Verdict.OK, "Kannel asks for a number, so it takes the user")
    return CheckResult("credentials", Verdict.WRONG, f"no sendsms answers here: http_{end.status}")


def _clock(answer: WireAnswer, now: datetime) -> CheckResult:
    try:
        there = web_date(answer.headers.get("Date", ""))
    except ValueError:
        return CheckResult("clock", Verdict.UNTOLD, "the answer holds no date")
    skew = abs(there - now)
    detail = f"{int(skew.total_seconds())} s apart"
    return CheckResult("clock", Verdict.WRONG if skew > WIDEST_SKEW else Verdict.OK, detail)


def _links(end: WireAnswer | WireFault) -> Iterator[CheckResult]:
    if isinstance(end, WireFault):
        yield CheckResult("links", Verdict.WRONG, f"bearerbox cannot be reached: {end.code}")
        return
    try:
        gateway = safe_root(end.body)
    except ValueError:
        gateway = None
    if gateway is None or gateway.find("status") is None:
        yield CheckResult("links", Verdict.WRONG, "bearerbox refuses the status page; check status_password")
        return
    links = gateway.findall("smscs/smsc")
    if not links:
        yield CheckResult("links", Verdict.WRONG, "bearerbox has no link to an SMSC")
    for link in links:
        name, status = link.findtext("id", "?"), link.findtext("status", "?")
        online = status.startswith("online")
        yield CheckResult(
            f"link {name}", Verdict.OK if online else Verdict.WRONG, (status.split() or ["?"])[0]
        )
