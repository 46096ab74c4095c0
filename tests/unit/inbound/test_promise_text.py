"""What texts promise: a labelled table, and what holds of any text whatever."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.inbound.days import chinese_number, days_in
from carloan_notify.inbound.promise_text import PromiseText, folded, read_promise
from carloan_notify.promise_codes import PromiseDoubt

SAID_ON: Final = date(2026, 11, 26)
"""A Thursday, in a month of thirty days."""

# text | day | amount, "all" or "-" where it is not a promise | doubts
FIRM: Final = """
20号前还清 | 2026-12-20 | all
周五还500 | 2026-11-27 | 500
周五500 | 2026-11-27 | 500
I'll pay 200 by Friday | 2026-11-27 | 200
I’ll pay you $200 on Fri | 2026-11-27 | 200
下个月5号 | 2026-12-05 | all
下個月五號還 | 2026-12-05 | all
明天 | 2026-11-27 | all
明天一定还 | 2026-11-27 | all
好的，明天上午还 | 2026-11-27 | all
今天晚上还500块 | 2026-11-26 | 500
后天转给你2000 | 2026-11-28 | 2000
大后天转给你2000 | 2026-11-29 | 2000
月底 | 2026-11-30 | all
月底还清欠款 | 2026-11-30 | all
下月底还一万 | 2026-12-31 | 10000
26号还 | 2026-11-26 | all
25号还 | 2026-12-25 | all
28号还1,500元 | 2026-11-28 | 1500
三十号还一千五 | 2026-11-30 | 1500
２８号还５００元 | 2026-11-28 | 500
五千零五十元 28号 | 2026-11-28 | 5050
28日还款两千块 | 2026-11-28 | 2000
1.5万 28号 | 2026-11-28 | 15000
12月5号还500 | 2026-12-05 | 500
1月3号还 | 2027-01-03 | all
2026-12-03还800.50元 | 2026-12-03 | 800.50
2026年12月1日前结清 | 2026-12-01 | all
12/5还 | 2026-12-05 | all
本月28号还 | 2026-11-28 | all
3天后还 | 2026-11-29 | all
三天内还五百 | 2026-11-29 | 500
十天后还款 | 2026-12-06 | all
两周内还清 | 2026-12-10 | all
这周五还 | 2026-11-27 | all
下周五还两千块 | 2026-12-04 | 2000
下下周一还 | 2026-12-07 | all
礼拜天还2000元整 | 2026-11-29 | 2000
周6还 | 2026-11-28 | all
周五晚上8点还 | 2026-11-27 | all
30号下午3点还500 | 2026-11-30 | 500
will pay by the 5th | 2026-12-05 | all
pay in full on Dec 3 | 2026-12-03 | all
3 Dec pay 1,200.50 | 2026-12-03 | 1200.50
I promise to pay $1,250.00 on December 1st, 2026 | 2026-12-01 | 1250.00
tomorrow | 2026-11-27 | all
day after tomorrow I pay 40 | 2026-11-28 | 40
end of month | 2026-11-30 | all
will catch up by the end of next month | 2026-12-31 | all
month end 700 | 2026-11-30 | 700
in 3 days | 2026-11-29 | all
within two weeks I'll pay 1k | 2026-12-10 | 1000
will send £100 tomorrow | 2026-11-27 | 100
₹5,000 by the 30th | 2026-11-30 | 5000
pay rs 500 tomorrow | 2026-11-27 | 500
by 5pm friday 300 | 2026-11-27 | 300
i will pay everything on monday | 2026-11-30 | all
pay 300 by 5th of next month | 2026-12-05 | 300
"""
DOUBTED: Final = """
发工资了就还 | | all | date_missing conditional
发工资20号还500 | 2026-12-20 | 500 | conditional
还款，谢谢 | | all | date_missing
31号还 | | all | date_impossible
2月30号还 | | all | date_impossible
11月20日还 | | all | date_past
本月20号还 | | all | date_past
周四还 | | all | date_unclear
下周还 | | all | date_unclear
过几天还 | | all | date_unclear
这两天还 | | all | date_unclear
20号或者25号还 | | all | date_unclear
20-25号还 | | all | date_unclear
周末还300 | | 300 | date_unclear
next Friday I will pay | | all | date_unclear
pay 12/5 | | all | date_unclear
end of the week | | all | date_unclear
20号还500，25号还1000 | | all | date_unclear amount_unclear
先还一部分，月底 | 2026-11-30 | all | amount_unclear
明天还一半 | 2026-11-27 | all | amount_unclear
两万三 28日还 | 2026-11-28 | all | amount_unclear
合同12345 周五还 | 2026-11-27 | all | amount_unclear
pay half tomorrow | 2026-11-27 | all | amount_unclear
20号可以还吗 | 2026-12-20 | all | question
能不能28号还500 | 2026-11-28 | 500 | question
can I pay 50 on Friday? | 2026-11-27 | 50 | question
尽量20号还 | 2026-12-20 | all | not_sure
I'll try to pay Friday | 2026-11-27 | all | not_sure
如果到账，明天还 | 2026-11-27 | all | conditional
"""
NOTHING: Final = """
20号还不了
20号前还不上
不还
明天没钱还
我已经还了
20号还了
昨天还的500
I paid on Friday
I can't pay until Friday
I won't pay
already paid 200
明天还要上班
明天打电话给我
好的
who is this
你是谁
收到
"""
TABLE: Final = [
    tuple(part.strip() for part in f"{line} |".split("|")[:4])
    for line in (FIRM + DOUBTED).splitlines()
    if line
]


def row_of(read: PromiseText | None) -> tuple[str, str, str]:
    """A reading as the table writes it."""
    if read is None:
        return "", "-", ""
    day = read.pay_on.isoformat() if read.pay_on else ""
    return day, "all" if read.amount is None else f"{read.amount:f}", " ".join(read.doubts)


@pytest.mark.parametrize(("text", "day", "amount", "doubts"), TABLE, ids=[row[0] for row in TABLE])
def test_each_phrase_is_read_as_labelled(text: str, day: str, amount: str, doubts: str) -> None:
    found_day, found_amount, found_doubts = row_of(read_promise(text, SAID_ON))
    assert (found_day, found_doubts) == (day, doubts)
    assert found_amount == amount or Decimal(found_amount) == Decimal(amount)


def test_what_refuses_claims_or_speaks_of_other_matter_promises_nothing() -> None:
    wrong = {
        text: row_of(read_promise(text, SAID_ON))
        for text in NOTHING.splitlines()
        if text and read_promise(text, SAID_ON) is not None
    }
    assert wrong == {}


def test_a_currency_is_kept_as_what_it_may_be() -> None:
    dollars = read_promise("pay $20 tomorrow", SAID_ON)
    yuan = read_promise("明天还20元", SAID_ON)
    bare = read_promise("明天还20", SAID_ON)
    assert dollars is not None
    assert {"USD", "SGD"} < dollars.currencies
    assert yuan is not None
    assert yuan.currencies == {"CNY"}
    assert bare is not None
    assert bare.currencies == frozenset()


_CHINESE: Final = "还 500 元 周五 20号 31号 月 底 下 个 天 后 万 千 五 十 不 了 年 1,0 2026 9999"
_ENGLISH: Final = "pay friday the 5th may in days k $ . - / ?"
_PIECES: Final = st.sampled_from([*_CHINESE.split(), *_ENGLISH.split(), " "])


@given(
    st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=12).map("".join)),
    st.dates(date(2000, 1, 1), date(2200, 1, 1)),
)
def test_any_text_is_read_without_a_guess(text: str, said_on: date) -> None:
    read = read_promise(text, said_on)
    if read is None:
        return
    dated = {
        PromiseDoubt.DATE_MISSING,
        PromiseDoubt.DATE_UNCLEAR,
        PromiseDoubt.DATE_PAST,
        PromiseDoubt.DATE_IMPOSSIBLE,
    }
    assert (read.pay_on is None) == bool(dated & set(read.doubts))
    assert read.pay_on is None or read.pay_on >= said_on
    assert read.amount is None or (read.amount > 0 and PromiseDoubt.AMOUNT_UNCLEAR not in read.doubts)
    assert read == read_promise(folded(text), said_on)


@given(st.dates(date(2000, 1, 1), date(2200, 1, 1)), st.integers(1, 31))
def test_a_day_of_the_month_is_the_next_one_or_none(said_on: date, day: int) -> None:
    """Slow twin: walk the days of this month and the next."""
    found, _ = days_in(f"{day}号", said_on)
    walked = (said_on + timedelta(days=ahead) for ahead in range(62))
    first = next(each for each in walked if each.day == day)
    months = (first.year - said_on.year) * 12 + first.month - said_on.month
    expected = first if months == (day < said_on.day) else PromiseDoubt.DATE_IMPOSSIBLE
    assert found == [expected]


@given(st.dates(date(2000, 1, 1), date(2200, 1, 1)), st.integers(0, 6))
def test_a_bare_weekday_is_the_next_one(said_on: date, place: int) -> None:
    found, _ = days_in("周" + "一二三四五六日"[place], said_on)
    ahead = next(each for each in range(1, 8) if (said_on + timedelta(days=each)).weekday() == place)
    assert found == [PromiseDoubt.DATE_UNCLEAR if ahead == 7 else said_on + timedelta(days=ahead)]


def written(number: int) -> str:
    """A number below a hundred million in Chinese, by the book."""
    if number >= 10_000:
        low = number % 10_000
        return (
            written(number // 10_000) + "万" + (("零" if low < 1_000 else "") + written(low) if low else "")
        )
    text, gap = "", False
    for unit, sign in ((1_000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        text += (("零" if gap and text else "") + "零一二三四五六七八九"[digit] + sign) if digit else ""
        gap = not digit
    return text


@given(st.integers(1, 9_999_999))
def test_numbers_in_chinese_are_read(number: int) -> None:
    assert chinese_number(written(number)) == number
