import pytest

from carloan_notify.hold_codes import HoldReason
from carloan_notify.inbound.lexicon import HOLDS, Reading, ReplyKind, action_for
from carloan_notify.inbound.settings import InboundSettings
from carloan_notify.notices.hold_settings import DEFAULT_HOLDS
from carloan_notify.records import MessageClass


def reading(*kinds: ReplyKind, asks: bool = True) -> Reading:
    return Reading(kinds[0], kinds, tuple(kind.value for kind in kinds), asks)


EVERY = InboundSettings().opt_out_stops


def test_an_opt_out_stops_every_class_unless_configured() -> None:
    assert action_for(reading(ReplyKind.OPT_OUT), EVERY).stops == (None,)
    some = [MessageClass.MARKETING, MessageClass.COLLECTION, MessageClass.MARKETING]
    action = action_for(reading(ReplyKind.OPT_OUT, asks=False), some)
    assert action.stops == (MessageClass.COLLECTION, MessageClass.MARKETING)
    assert action.summary == "stop collection, stop marketing"


def test_a_dispute_holds_demands_and_a_stranger_hears_nothing_more() -> None:
    dispute = action_for(reading(ReplyKind.DISPUTE), EVERY)
    assert (dispute.stops, dispute.holds) == ((), (HoldReason.DISPUTE,))
    assert dispute.summary == "hold dispute, work list"
    stranger = action_for(reading(ReplyKind.WRONG_PERSON), EVERY)
    assert (stranger.reassigned, stranger.summary) == (True, "number reassigned, work list")


@pytest.mark.parametrize("kind", HOLDS)
def test_each_kind_that_holds_has_its_line_in_the_table(kind: ReplyKind) -> None:
    assert action_for(reading(kind), EVERY).holds == (HOLDS[kind],)
    assert HOLDS[kind] in DEFAULT_HOLDS


def test_requests_stop_nothing_and_wait_for_a_person() -> None:
    acting = {ReplyKind.OPT_OUT, ReplyKind.WRONG_PERSON, *HOLDS}
    assert ReplyKind.PROMISE not in acting
    for kind in set(ReplyKind) - acting:
        action = action_for(reading(kind), EVERY)
        assert (action.stops, action.holds, action.summary) == ((), (), "work list")
    assert action_for(reading(ReplyKind.OTHER, asks=False), EVERY).summary == ""


def test_what_any_shown_kind_asks_for_is_done() -> None:
    action = action_for(reading(ReplyKind.PAID_ALREADY, ReplyKind.DISPUTE, ReplyKind.OPT_OUT), EVERY)
    assert (action.stops, action.holds) == ((None,), (HoldReason.DISPUTE,))
