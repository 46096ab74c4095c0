"""What a text promises: by which day, and how much. Pure; what it cannot read it says, and never guesses."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from carloan_notify.inbound.days import CHINESE_NUMBER, Day, chinese_number, days_in
from carloan_notify.inbound.lexicon import LONGEST, simplified
from carloan_notify.promise_codes import PromiseDoubt


@dataclass(frozen=True, slots=True)
class PromiseText:
    """What is promised. `amount` None stands for all that is owed, `pay_on` None for no day that can be told.

    `currencies` are those that a sign or word of the text may mean, empty where there is none. With a doubt it is
    for a clerk.
    """

    pay_on: date | None
    amount: Decimal | None = None
    currencies: frozenset[str] = frozenset()
    doubts: tuple[PromiseDoubt, ...] = ()


def read_promise(text: str, said_on: date) -> PromiseText | None:
    """What `text`, written on `said_on`, promises; None where it promises nothing.

    `said_on` is the date where the writer lives. A refusal, a claim to have paid, and whatever speaks of no payment
    promise nothing; a bare day (`明天`) answers a reminder and counts.
    """
    seen = folded(text)
    if _NO_PROMISE.search(_ASKED.sub(",", seen)):
        return None
    days, left = days_in(_HOUR.sub(",", seen), said_on)
    sums, left = _sums_in(left)
    short = _FILLING.sub("", left) == ""
    if not (_PAYS.search(left) or (short and (days or sums))):
        return None
    pay_on, doubts = _one_day(days, said_on)
    amount, unsure = _one_sum(sums, left, short=short)
    doubts = (*doubts, *unsure, *(doubt for pattern, doubt in _RESERVES if pattern.search(seen)))
    return PromiseText(pay_on, amount.value, amount.currencies, tuple(dict.fromkeys(doubts)))


_BESIDE_CHINESE: Final = re.compile(r"(?<=[\u3400-\u9fff]) +| +(?=[\u3400-\u9fff])")
_APOSTROPHES: Final = re.compile("['\u2018\u2019`\u00b4]")


def folded(text: str) -> str:
    """Half width, small letters, simplified characters, blanks between Latin words only; signs and points stay."""
    cut = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()[:LONGEST]
    kept = "".join(sign for sign in cut if unicodedata.category(sign) not in {"Cf", "Mn", "Me"})
    return _BESIDE_CHINESE.sub("", _APOSTROPHES.sub("", simplified(" ".join(kept.split()))))


def _one_day(days: list[Day], said_on: date) -> tuple[date | None, tuple[PromiseDoubt, ...]]:
    if not days:
        return None, (PromiseDoubt.DATE_MISSING,)
    if len(days) > 1:
        return None, (PromiseDoubt.DATE_UNCLEAR,)
    day = days[0]
    if isinstance(day, PromiseDoubt):
        return None, (day,)
    return (day, ()) if day >= said_on else (None, (PromiseDoubt.DATE_PAST,))


# Sums of money.


@dataclass(frozen=True, slots=True)
class _Sum:
    """`value` None stands for all that is owed; `bare` for a figure that nothing marks as money."""

    value: Decimal | None = None
    currencies: frozenset[str] = frozenset()
    bare: bool = False


_DOLLARS: Final = frozenset({"USD", "AUD", "CAD", "HKD", "SGD", "NZD", "TWD"})
_CURRENCIES: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("¥", frozenset({"CNY", "JPY"})),
    (r"元|块钱?|rmb|cny|人民币|yuan", frozenset({"CNY"})),
    (r"\$|dollars?|bucks?", _DOLLARS),
    ("usd|美元|美金", frozenset({"USD"})),
    ("€|euros?|eur|欧元", frozenset({"EUR"})),
    ("£|pounds?|quid|gbp|英镑", frozenset({"GBP"})),
    (r"₹|rs\.?|rupees?|inr", frozenset({"INR"})),
    ("฿|baht|thb", frozenset({"THB"})),
    ("₱|pesos?|php", frozenset({"PHP"})),
    ("rp|rupiah|idr", frozenset({"IDR"})),
    ("港币|港元|hkd", frozenset({"HKD"})),
)
_SIGN: Final = "|".join(pattern for pattern, _ in _CURRENCIES)
_VERBS: Final = "还|付|交|缴|存|转|汇|打|凑|给|先|pay|send|deposit|transfer"
_SUM: Final = re.compile(
    rf"(?P<verb>{_VERBS})?(?:[你您们我款清上了]| me | you )* ?(?P<before>{_SIGN})? ?"
    rf"(?:(?P<figure>(?<![\d.])(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,9}})(?:\.\d{{1,4}})?)(?P<times>[万千百]|k\b)?"
    rf"|(?P<words>{CHINESE_NUMBER}*[十百千万]{CHINESE_NUMBER}*|{CHINESE_NUMBER}{{1,9}}(?=元|块)))"
    rf" ?(?P<after>{_SIGN})?(?![\d期个次天周月年号楼点%％:])"
)
_TIMES: Final = {"万": 10_000, "千": 1_000, "百": 100, "k": 1_000}


def _sums_in(text: str) -> tuple[list[_Sum], str]:
    """The sums of a text, and the text without them; their verbs stay."""
    sums: list[_Sum] = []

    def noted(found: re.Match[str]) -> str:
        value = _value(found)
        marked = bool(found["verb"] or found["before"] or found["after"])
        if value is None or (found["words"] and not marked):
            return found.group()
        sums.append(_Sum(value, _meant(found["before"]) or _meant(found["after"]), bare=not marked))
        return f"{found['verb'] or ''},"

    return sums, _SUM.sub(noted, text)


def _value(found: re.Match[str]) -> Decimal | None:
    if found["words"]:
        number = chinese_number(found["words"])
        return Decimal(number) if number else None
    value = Decimal(found["figure"].replace(",", "")) * _TIMES.get(found["times"] or "", 1)
    return value or None


def _meant(sign: str | None) -> frozenset[str]:
    return next(
        (codes for pattern, codes in _CURRENCIES if sign and re.fullmatch(pattern, sign)), frozenset()
    )


def _one_sum(sums: list[_Sum], left: str, *, short: bool) -> tuple[_Sum, tuple[PromiseDoubt, ...]]:
    """The one sum, all that is owed where none is named, or a doubt."""
    vague = len(sums) > 1 or bool(_PART.search(left)) or bool(re.search(r"\d|[十百千万]", left))
    if vague or (sums and ((sums[0].bare and not short) or _WHOLE.search(left))):
        return _Sum(), (PromiseDoubt.AMOUNT_UNCLEAR,)
    return (sums[0] if sums else _Sum()), ()


# Words.

_ASKED: Final = re.compile(
    "能不能|可不可以|行不行|好不好|是不是|会不会|可以不可以|要不要|不好意思|不用催|别催"
)
_HOUR: Final = re.compile(
    r"(?<!\d)\d{1,2}(?:[:点时]\d{0,2}分?半?|:\d\d)(?: ?[ap]m\b)?|\b(?:at )?\d{1,2} ?[ap]\.?m\b"
    "|[一二两三四五六七八九十]{1,3}点(?!儿)"
)
"""An hour of the day: neither a day nor a sum."""
_NO_PROMISE: Final = re.compile(
    "[还付交缴]不|不(?:会|想|能|打算|愿意?|可能)?(?:再)?[还付交缴]|(?:没|无)(?:法|有?钱|能力|办法)|做不到|拒绝|凭什么"
    "|已经?[还付交缴转结存]|[还付交缴转存]过?了(?!就)|[还付交缴]过|[号天周日一二三四五六][还付交缴转]的$"
    "|昨天|前天|上周"
    r"|\b(?:cant|cannot|can not|couldnt|wont|will not|not (?:able|going|gonna)|unable|never|refuse|dont|didnt|havent)\b"
    r"|\b(?:paid|payed|already|yesterday|last (?:week|month)|sent (?:it|you|the)|went through)\b"
)
"""A refusal, an inability, or a claim that it is paid: nothing of it is a promise, whatever day stands beside it."""
_PAYS: Final = re.compile(
    "[付交缴]|还(?!要(?!还)|得|会|在|有|能|是|没|想|需|差|剩)|(?:转|存|汇|打)(?:给|款|钱|,|过去|进|到)"
    "|凑|结清|补上|处理|给你|到账|能还|会还"
    r"|\b(?:pay(?:ment|ing)?|send|transfer|deposit|settle|clear|catch up|take care of|have it|get it|make it)\b"
)
_WHOLE: Final = re.compile(r"全|都|清|\b(?:all|full|everything|rest|off)\b")
_PART: Final = re.compile(
    "部分|一半|一些|一点|点儿?(?=,|$)|先还点|几百|几千|多少|[一二两三\\d]期|最低"
    r"|\b(?:part(?:ial)?|half|some(?:thing)?|a (?:little|bit)|what i can|as much|minimum)\b"
)
_FILLING: Final = re.compile(
    r"[^\w]|我|会|就|在|前|之|以|内|吧|啊|哦|呀|的|了|好|行|可|嗯|到|那|天|时|候|左|右|早|上|下|午|晚|中|点|款|钱|谢|先|再|您"
    r"|\b(?:ok|okay|by|on|at|before|until|till|the|morning|afternoon|evening|noon|please|thanks?|thank you|sir)\b"
    r"|\b(?:i|will|ill)\b"
)
"""What may stand beside a bare day or figure without changing what it says."""
_RESERVES: Final[tuple[tuple[re.Pattern[str], PromiseDoubt], ...]] = (
    (
        re.compile(
            r"[?？]|吗|行不行|能不能|可不可以|好不好|是不是|会不会|怎么样"
            r"|\b(?:can|could|may) (?:i|we)\b|\bis (?:it|that) ok"
        ),
        PromiseDoubt.QUESTION,
    ),
    (
        re.compile(
            r"如果|要是|假如|只要|除非|工资|等我?(?:发|有|拿|收)|(?:发|有|拿到|收到|到)了?(?:钱|账|款)"
            r"|\b(?:if|once|when|unless|as soon as|depends?|payday|paycheck|get paid)\b"
        ),
        PromiseDoubt.CONDITIONAL,
    ),
    (
        re.compile(
            r"尽量|争取|应该|可能|大概|也许|左右|估计|看看|想办法|试试|差不多|最好"
            r"|\b(?:try|trying|maybe|might|probably|hope(?:fully)?|should|about|around|think)\b"
        ),
        PromiseDoubt.NOT_SURE,
    ),
)
