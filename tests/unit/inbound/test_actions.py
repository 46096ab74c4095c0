from carloan_notify.inbound.lexicon import EVERY_CLASS, Reading, ReplyKind, Stop, action_for
from carloan_notify.inbound.settings import InboundSettings
from carloan_notify.records import MessageClass


def reading(*kinds: ReplyKind, asks: bool = True) -> Reading:
    return Reading(kinds[0], kinds, tuple(kind.value for kind in kinds), asks)


EVERY = InboundSettings().opt_out_stops


def test_an_opt_out_stops_every_class_unless_configured() -> None:
    assert action_for(reading(ReplyKind.OPT_OUT), EVERY).stops == (Stop(EVERY_CLASS, "opt_out"),)
    some = [MessageClass.MARKETING, MessageClass.COLLECTION, MessageClass.MARKETING]
    action = action_for(reading(ReplyKind.OPT_OUT, asks=False), some)
    assert action.stops == (Stop("collection", "opt_out"), Stop("marketing", "opt_out"))
    assert action.summary == "stop collection, stop marketing"


def test_a_dispute_holds_demands_and_a_stranger_hears_nothing_more() -> None:
    dispute = action_for(reading(ReplyKind.DISPUTE), EVERY)
    assert dispute.stops == (Stop("collection", "dispute", customer=True),)
    assert dispute.summary == "stop collection, work list"
    assert action_for(reading(ReplyKind.WRONG_PERSON), EVERY).stops == (Stop(EVERY_CLASS, "wrong_number"),)


def test_requests_stop_nothing_and_wait_for_a_person() -> None:
    for kind in set(ReplyKind) - {ReplyKind.OPT_OUT, ReplyKind.DISPUTE, ReplyKind.WRONG_PERSON}:
        action = action_for(reading(kind), EVERY)
        assert (action.stops, action.summary) == ((), "work list")
    assert action_for(reading(ReplyKind.OTHER, asks=False), EVERY).summary == ""


def test_what_any_shown_kind_asks_for_is_done() -> None:
    action = action_for(reading(ReplyKind.PAID_ALREADY, ReplyKind.DISPUTE, ReplyKind.OPT_OUT), EVERY)
    assert action.stops == (Stop("collection", "dispute", customer=True), Stop(EVERY_CLASS, "opt_out"))
