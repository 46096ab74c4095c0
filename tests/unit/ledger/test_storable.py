from hypothesis import example, given
from hypothesis import strategies as st

from carloan_notify.records import Outcome, SendResult
from carloan_notify.text import LONGEST, RESULT_TEXTS, cleaned, storable, whole

ANY = st.text(alphabet=st.characters(), max_size=2 * LONGEST)
HALF = "\ud83d"


@given(text=ANY)
@example("a\x00b")
@example(f"a{HALF}b")
@example("x" * (LONGEST + 1))
def test_what_comes_out_can_be_stored_and_nothing_else_is_lost(text: str) -> None:
    kept = storable(text)
    assert "\x00" not in kept
    kept.encode()
    plain = "".join(c for c in text if c != "\x00" and not "\ud800" <= c <= "\udfff")
    assert kept == plain[:LONGEST]
    assert whole(text) == plain
    if plain == text and len(text) <= LONGEST:
        assert kept is text


def test_a_result_that_is_fine_is_left_alone() -> None:
    fine = SendResult("M1", Outcome.ACCEPTED, "r1", "0", "taken")
    assert cleaned([], RESULT_TEXTS) == []
    answers = [fine, fine]
    assert cleaned(answers, RESULT_TEXTS) is answers
    odd = SendResult("M1", Outcome.ACCEPTED, "r\x001", f"0{HALF}", "\x00")
    kept = SendResult("M1", Outcome.ACCEPTED, "r1", "0", "")
    assert cleaned([fine, odd], RESULT_TEXTS) == [fine, kept]
    long = SendResult("M1", Outcome.ACCEPTED, code="x" * (LONGEST + 1))
    assert cleaned([long, fine], RESULT_TEXTS)[0].code == "x" * LONGEST
