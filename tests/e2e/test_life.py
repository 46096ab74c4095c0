"""The life of a loan told word for word: each status and each change, in both languages, by the default ladder."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from tests.e2e.conftest import Desk, Lender

LOANS = (
    "loan_id,customer_id,borrower_name,phone,principal,annual_rate,term_months,disbursed_on,first_due_on,due_day,"
    "repayment_method,status,language,timezone,account_tail,data_date"
)
PAYMENTS = "payment_id,loan_id,paid_on,amount"
EVENTS = "event_id,loan_id,type,occurred_at,amount,detail"
CHANGES = "change_id,loan_id,type,effective_on,value"
CONTACTS = (
    "customer_id,role,name,phone,language,timezone,channels,preferred_hours,consent,opt_out,do_not_contact"
)
TODAY = "2026-11-23"


class Case(NamedTuple):
    """A loan and what happened to it: its status, how many installments are paid, and one more row of a table."""

    tail: str
    notice: str
    chinese: str
    english: str
    table: str
    row: str
    paid: int = 9
    status: str = "active"
    first_due_on: str = "2026-02-28"


MINE = "如非本人申请请立即联系我们。"
CASES = [
    Case(
        "1001",
        "application_received",
        "您的车贷申请（尾号1001）已于11月23日受理，审核结果将以短信通知您，审核期间不收取任何费用。",
        "we received your car loan application ending 1001 on 23 Nov 2026 and will text you the outcome. "
        "There is no fee for the review.",
        "events",
        "application_received,2026-11-23,12000.00,",
        0,
        "pending",
    ),
    Case(
        "1002",
        "application_approved",
        "您的车贷申请（尾号1002）已审核通过，批准金额12,000.00元。请携带有效身份证件办理签约，贷款条件以合同为准。",
        "your car loan application ending 1002 is approved for CN¥12,000.00. Please bring a valid ID to sign; the "
        "contract's terms apply.",
        "events",
        "application_approved,2026-11-23,12000.00,",
        0,
        "pending",
    ),
    Case(
        "1003",
        "application_rejected",
        "很遗憾，您的车贷申请（尾号1003）未能通过审核，原因：资料不齐。申请资料将依法保密，如需了解详情，",
        "we could not approve your car loan application ending 1003: papers are missing. You may ask us for the "
        "reasons.",
        "events",
        "application_rejected,2026-11-23,,documents",
        0,
        "pending",
    ),
    Case(
        "1004",
        "contract_signed",
        "您的车贷合同（尾号1004）已于11月23日签订，每月还款日为28日。请妥善保管合同文本；如非本人签订，请立即联系我们。",
        "your car loan contract ending 1004 was signed on 23 Nov 2026. Payments fall due on day 28 of each month. Not "
        "you?",
        "events",
        "contract_signed,2026-11-23,,",
        0,
        "pending",
    ),
    Case(
        "1005",
        "loan_disbursed",
        "尾号1005的车贷12,000.00元已于11月23日发放，共12期，首期12月28日应还1,000.00元，每月28日还款。",
        "car loan ending 1005, CN¥12,000.00, was paid out on 23 Nov 2026. First of 12 payments: CN¥1,000.00 on 28 Dec "
        "2026.",
        "events",
        "loan_disbursed,2026-11-23,12000.00,",
        0,
        first_due_on="2026-12-28",
    ),
    Case(
        "1006",
        "payment_received",
        "尾号1006的车贷11月23日收到还款2,500.00元（第9至10期及第11期部分），谢谢。下期12月28日应还500.00元，还剩2期。",
        "thank you: CN¥2,500.00 received 23 Nov 2026 for car loan ending 1006 (no. 9-10, part of 11). Next: CN¥500.00 "
        "on 28 Dec 2026, 2 to go.",
        "payments",
        "2026-11-23,2500.00",
        8,
    ),
    Case(
        "1007",
        "due_day_changed",
        "尾号1007的车贷每月还款日已由28日变更为15日，自2026年11月23日起生效。最近一期还款日由11月28日变更为12月15日。"
        + MINE,
        "car loan ending 1007: due day changed from day 28 to day 15 as of 23 Nov 2026. Due 28 Nov 2026 -> 15 Dec "
        "2026. Not you?",
        "changes",
        "due_day,2026-11-23,15",
    ),
    Case(
        "1008",
        "loan_deferred",
        "尾号1008的车贷第10期已延期。还款日由11月28日变更为12月28日。末期还款日为2027年2月28日。" + MINE,
        "payment 10 of car loan ending 1008 is deferred. Due 28 Nov 2026 -> 28 Dec 2026. Last due 28 Feb 2027. Not "
        "you?",
        "changes",
        "deferral,2026-11-23,10",
    ),
    Case(
        "1009",
        "loan_deferred",
        "尾号1009的车贷第10期已延期。应还由1,000.00元变更为0.00元。其后各期相应增加。" + MINE,
        "payment 10 of car loan ending 1009 is deferred. Payment: CN¥1,000.00 -> CN¥0.00. Later ones grow. Not you?",
        "changes",
        "deferral,2026-11-23,10 spread",
    ),
    Case(
        "1010",
        "loan_extended",
        "尾号1010的车贷已展期，期数由12期变更为14期。第10期应还由1,000.00元变更为600.00元。末期还款日为2027年3月28日。"
        + MINE,
        "car loan ending 1010 is extended from 12 to 14 payments. Payment 10: CN¥1,000.00 -> CN¥600.00. Last due 28 "
        "Mar 2027. Not you?",
        "changes",
        "extension,2026-11-23,2",
    ),
    Case(
        "1011",
        "rate_changed",
        "尾号1011的车贷年利率自2026年11月23日起由0%变更为6%。第10期应还由1,000.00元变更为1,005.80元。",
        "car loan ending 1011: the yearly rate changed from 0% to 6% as of 23 Nov 2026. Payment 10: CN¥1,000.00 -> "
        "CN¥1,005.80.",
        "changes",
        "rate,2026-11-23,6%",
    ),
    Case(
        "1012",
        "loan_prepaid",
        "尾号1012的车贷提前还款500.00元已登记。第11期应还由1,000.00元变更为750.00元。" + MINE,
        "your prepayment of CN¥500.00 on car loan ending 1012 is registered. Payment 11: CN¥1,000.00 -> CN¥750.00. Not "
        "you?",
        "changes",
        "prepayment,2026-11-23,500.00 smaller_installment",
    ),
    Case(
        "1013",
        "loan_prepaid",
        "尾号1013的车贷提前还款1,000.00元已登记。期数由12期变更为11期。" + MINE,
        "your prepayment of CN¥1,000.00 on car loan ending 1013 is registered. Payments: 12 -> 11. Not you?",
        "changes",
        "prepayment,2026-11-23,1000.00 shorter_term",
    ),
    Case(
        "1014",
        "settlement_quoted",
        "您申请的提前结清报价：尾号1014的车贷至2026年12月5日（含）结清共需3,000.00元，过期或期间有还款须重新计算。",
        "your quote: CN¥3,000.00 settles car loan ending 1014 in full if paid by 5 Dec 2026. A payment meanwhile "
        "changes it.",
        "events",
        "settlement_quoted,2026-11-23,,until 2026-12-05",
    ),
    Case(
        "1015",
        "lien_released",
        "尾号1015的车贷抵押已于11月23日解除。请携本人身份证领取机动车登记证书等材料，地点与时间可咨询我们。",
        "the lien of car loan ending 1015 was released on 23 Nov 2026. Please collect the vehicle papers from us with "
        "your ID.",
        "events",
        "lien_released,2026-11-23,,",
        status="settled",
    ),
]
WORDS = {
    "zh-CN": ("孙思远", "【安达车贷】孙思远您好，", "可回复或致电400-000-0000"),
    "en": ("John Smith", "[安达车贷] John Smith, ", " Reply or call 400-000-0000."),
}


def loan(loan_id: str, language: str, status: str = "active", first_due_on: str = "2026-02-28") -> str:
    """12 000.00 over 12 months without interest: every installment is 1 000.00, due on the 28th."""
    person = f"{loan_id},C{loan_id},{WORDS[language][0]},1000000{loan_id[1:]:0>4}"
    disbursed = "" if status == "pending" else "2026-01-28"
    terms = f"12000.00,0,12,{disbursed},{first_due_on},28,等额本息,{status}"
    return f"{person},{terms},{language},Asia/Shanghai,6789"


def paid(loan_id: str, count: int) -> list[str]:
    """So many installments, each paid on its due date."""
    return [f"{loan_id}-{n},{loan_id},2026-{n + 1:02d}-28,1000.00" for n in range(1, count + 1)]


@pytest.fixture
def life(desk: Desk) -> Lender:
    tables = ("payments", "events", "changes")
    desk.configure(
        sources={
            "loans": {"path": "export/loans.csv", "fictitious_phones": True},
            **{name: {"path": f"export/{name}.csv"} for name in tables},
            "contacts": {"path": "export/contacts.csv", "fictitious_phones": True},
        }
    )
    return desk


def export(lender: Lender, day: str, loans: Sequence[str], **rows: Sequence[str]) -> None:
    """The lender's tables of a day."""
    lender.write("loans", LOANS, [f"{row},{day}" for row in loans])
    headers = {"payments": PAYMENTS, "events": EVENTS, "changes": CHANGES, "contacts": CONTACTS}
    for name, header in headers.items():
        lender.write(name, header, rows.get(name, ()))


def texts(lender: Lender, *states: str) -> dict[tuple[str, str], str]:
    """Loan and notice → the text, of messages in these states."""
    rows = lender.messages("--reveal", "--reason", "test")
    return {
        (row["loans"], row["notice"]): row["text"] for row in rows if not states or row["state"] in states
    }


def told(lender: Lender) -> list[tuple[str, str, str]]:
    """Notice, state and, of what was cancelled, its code, of every message, by notice."""
    rows = lender.messages()
    codes = [row["code"] if row["state"] == "cancelled" else "" for row in rows]
    return sorted((row["notice"], row["state"], code) for row, code in zip(rows, codes, strict=True))


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_each_status_and_each_change_word_for_word(life: Lender, language: str) -> None:
    rows: dict[str, list[str]] = {"payments": [], "events": [], "changes": []}
    for case in CASES:
        rows["payments"] += paid(f"L{case.tail}", case.paid)
        kind, _, rest = case.row.partition(",")
        row = f"R{case.tail},L{case.tail},{case.row}" if case.table != "changes" else ""
        rows[case.table].append(row or f"R{case.tail},L{case.tail},{kind},{rest}")
    export(
        life,
        TODAY,
        [loan(f"L{case.tail}", language, case.status, case.first_due_on) for case in CASES],
        **rows,
    )
    life.night(TODAY)
    found = texts(life, "queued")
    _, hello, ask = WORDS[language]
    for case in CASES:
        said = case.chinese if language == "zh-CN" else case.english
        assert found[f"L{case.tail}", case.notice] == f"{hello}{said}{ask}", case.notice


def test_what_was_queued_for_the_old_date_is_cancelled(life: Lender) -> None:
    rows = [loan("L1", "zh-CN"), loan("L2", "zh-CN"), loan("L3", "zh-CN")]
    payments = [*paid("L1", 9), *paid("L2", 9), *paid("L3", 9)]
    export(life, "2026-11-21", rows, payments=payments)
    life.night("2026-11-21")
    assert told(life) == [("due_in_7_days", "queued", "")] * 3
    changes = [
        "X1,L1,deferral,2026-11-21,10",
        "X2,L2,due_day,2026-11-21,5",
        "X3,L3,extension,2026-11-21,2",
    ]
    export(life, "2026-11-21", rows, payments=payments, changes=changes)
    assert life.send("2026-11-21T10:00:00+08:00")["cancelled"] == 2
    assert "第10期600.00元于11月28日到期还有7天" in texts(life)["L3", "due_in_7_days"]  # worded anew
    export(life, "2026-11-22", rows, payments=payments, changes=changes)
    life.night("2026-11-22")
    assert told(life) == [
        ("due_day_changed", "queued", ""),
        ("due_in_7_days", "accepted", ""),
        ("due_in_7_days", "cancelled", "no_longer_true"),
        ("due_in_7_days", "cancelled", "no_longer_true"),
        ("loan_deferred", "queued", ""),
        ("loan_extended", "queued", ""),
    ]


def test_a_quote_is_untrue_after_a_payment_and_after_its_last_day(life: Lender) -> None:
    rows = [loan(f"L{number}", "zh-CN") for number in (1, 2, 3, 4)]
    payments = [row for number in (1, 2, 3, 4) for row in paid(f"L{number}", 9)]
    events = [
        "Q1,L1,settlement_quoted,2026-11-24,3010.00,until 2026-11-30",  # the lender's amount
        "Q2,L2,settlement_quoted,2026-11-24,,until 2026-11-30",  # computed
        "Q3,L3,settlement_quoted,2026-11-24,3010.00,",  # until when?
        "Q4,L4,settlement_quoted,2026-11-23,3010.00,until 2026-11-23",  # over
    ]
    export(life, "2026-11-24", rows, payments=payments, events=events)
    night = life.night("2026-11-24")
    assert night["findings"] == {"quote_unusable": 1}
    assert told(life) == [("settlement_quoted", "queued", "")] * 2
    assert "3,010.00元" in texts(life)["L1", "settlement_quoted"]
    assert "3,000.00元" in texts(life)["L2", "settlement_quoted"]
    more = [f"M{number},L{number},2026-11-24,1000.00" for number in (1, 2)]
    export(life, "2026-11-24", rows, payments=[*payments, *more], events=events)
    life.send("2026-11-24T10:00:00+08:00")
    assert told(life) == [
        ("settlement_quoted", "accepted", ""),
        ("settlement_quoted", "cancelled", "no_longer_true"),
    ]
    assert "2,000.00元" in texts(life)["L2", "settlement_quoted"]


def test_after_the_settlement_come_the_offer_to_those_who_agreed_and_the_lien(life: Lender) -> None:
    rows = [loan(f"L{number}", "zh-CN") for number in (1, 2)]
    payments = [
        row for number in (1, 2) for row in [*paid(f"L{number}", 9), f"S{number},L{number},{TODAY},3000.00"]
    ]
    contacts = ["CL1,borrower,孙思远,10000000001,zh-CN,Asia/Shanghai,,,marketing,,"]
    export(life, TODAY, rows, payments=payments, contacts=contacts)
    life.night(TODAY)
    thanks = texts(life)["L1", "loan_settled"]
    assert "感谢您" in thanks
    for word in ("车险", "换车", "拒收"):
        assert word not in thanks
    export(life, "2026-11-30", rows, payments=payments, contacts=contacts)
    night = life.night("2026-11-30", "--accept", "same_export")
    assert night["reasons"]["suppressed:no_consent"] == 1
    (offer,) = [text for (_, notice), text in texts(life).items() if notice == "settled_offer"]
    assert offer == (
        "【安达车贷】孙思远您好，感谢您选择我们，尾号L1的车贷已结清。如需了解车险、养车或换车等车辆金融服务，"
        "可回复或致电400-000-0000，拒收请回复R"
    )
    released = ["E2,L2,lien_released,2026-12-08,,"]
    export(life, "2026-12-08", rows, payments=payments, contacts=contacts)
    life.night("2026-12-08", "--accept", "same_export")
    reminders = {key: text for key, text in texts(life).items() if key[1] == "lien_reminder"}
    assert reminders["L1", "lien_reminder"] == (
        "【安达车贷】孙思远您好，尾号L1的车贷已于11月23日结清。如尚未解除抵押，请携结清证明、机动车登记证书、身份证到"
        "车管所办理，所需材料可向我们领取，已办请忽略。可回复或致电400-000-0000"
    )
    export(life, "2026-12-08", rows, payments=payments, contacts=contacts, events=released)
    life.send("2026-12-08T10:00:00+08:00")
    states = {row["loans"]: row["state"] for row in life.messages("--notice", "lien_reminder")}
    assert states == {"L1": "accepted", "L2": "cancelled"}
