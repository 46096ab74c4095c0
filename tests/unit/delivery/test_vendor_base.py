"""The base of adapters: one result per message whatever is screened, and one reader that loses no record."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.http import WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import VendorSettings, same_for_all
from carloan_notify.delivery.vendor import Ready, UnreadableRecordError, Vendor, our_reference, read_records
from carloan_notify.records import OutboundMessage, Outcome, Receipt, Reply, SendResult
from tests.unit.delivery.world import START, message


class Plain(Vendor[Ready]):
    """Takes messages of even numbers; every second request gets no answer."""

    def __init__(self, batch_limit: int, *, named: bool) -> None:
        """`named`: a batch is known by a reference of ours."""
        super().__init__("plain", VendorSettings(), clock=lambda: START)
        self.batch_limit, self.requests, self._named = batch_limit, list[int](), named

    def screen(self, message: OutboundMessage) -> Ready | SendResult:
        odd = int(message.message_id[1:]) % 2
        return SendResult(message.message_id, Outcome.REJECTED, code="odd") if odd else Ready(message)

    def request(self, going: Sequence[Ready]) -> WireRequest:
        self.requests.append(len(going))
        return WireRequest("POST", "https://vendor.example/", {}, b"")

    def exchange(self, request: WireRequest) -> WireAnswer | WireFault:
        lost = WireFault(Outcome.UNKNOWN, "timed_out")
        return lost if len(self.requests) % 2 == 0 else WireAnswer(200, {}, request.body)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        return [replace(r, provider_ref="theirs") for r in same_for_all(batch, Outcome.ACCEPTED, answer.code)]

    def batch_reference(self, batch: Sequence[OutboundMessage]) -> str:
        return f"ours-{len(batch)}" if self._named else ""


@given(
    numbers=st.lists(st.integers(0, 60), max_size=30, unique=True),
    limit=st.integers(1, 7),
    named=st.booleans(),
)
def test_every_message_has_one_result_and_no_request_is_empty_or_too_long(
    numbers: list[int], limit: int, *, named: bool
) -> None:
    provider = Plain(limit, named=named)
    results = {r.message_id: r for r in provider.send([message(number) for number in numbers])}
    assert results.keys() == {message(number).message_id for number in numbers}
    even = sum(number % 2 == 0 for number in numbers)
    assert sum(provider.requests) == even
    assert len(provider.requests) == -(-even // limit)
    assert all(1 <= size <= limit for size in provider.requests)
    refused = [r.message_id for r in results.values() if r.outcome is Outcome.REJECTED]
    assert sorted(refused) == sorted(message(number).message_id for number in numbers if number % 2)
    ours = Counter(r.provider_ref for r in results.values() if r.provider_ref.startswith("ours"))
    assert ours.total() == sum(size for size in provider.requests if named and size > 1)
    theirs = [size for size in provider.requests[::2] if not named or size == 1]
    assert sum(r.provider_ref == "theirs" for r in results.values()) == sum(theirs)


ONE = Receipt("p", "r", "", delivered=True, code="0", detail="", occurred_at=START)
TWO = Reply("p", "", "+12025550100", "R", START)
SAID: dict[str, Receipt | Reply] = {"receipt": ONE, "reply": TWO}


def read(record: str) -> Receipt | Reply | None:
    if record == "broken":
        raise UnreadableRecordError("it is broken")
    return SAID.get(record)


@given(st.lists(st.sampled_from(["receipt", "reply", "pending", "broken"]), max_size=20), st.integers(0, 1))
def test_what_cannot_be_read_costs_no_other_record(records: list[str], first: int) -> None:
    page = read_records("p", records, read, b"raw", first=first)
    assert len(page.receipts) == records.count("receipt")
    assert len(page.replies) == records.count("reply")
    places = [place for place, record in enumerate(records, first) if record == "broken"]
    assert page.problems == tuple(f"p: record {place}: it is broken" for place in places)
    assert page.unread == (b"raw" if places else b"")


@given(st.text(max_size=30) | st.from_regex(r"[A-Z0-9]{26}", fullmatch=True))
def test_only_an_id_of_ours_is_our_reference(text: str) -> None:
    ours = len(text) == 26 and text.isascii() and text.isalnum() and text == text.upper()
    assert our_reference(text) == (text if ours else "")
