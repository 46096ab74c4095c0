"""Options of the message room: folders, limits, wording rules, links."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field, field_validator

from carloan_notify.records import MessageClass
from carloan_notify.settings import Settings

FORBIDDEN_WORDS = (
    "坐牢", "拘留", "逮捕", "判刑", "刑事责任", "诈骗", "骗贷", "老赖", "上门", "爆通讯录", "通讯录",
    "曝光", "公示你", "通知你的家人", "通知你的单位", "后果自负", "最后通牒", "最后警告", "拖车",
    "强制收车", "法院传票", "身败名裂",
    "jail", "prison", "arrest", "police", "criminal", "fraudster", "deadbeat", "your family",
    "your employer", "visit your home", "final warning", "seize your car", "expose you",
)  # fmt: skip
MARKETING_WORDS = (
    "优惠", "特惠", "折扣", "抽奖", "中奖", "红包", "礼品", "大礼包", "提额", "低息", "低利率",
    "利率低至", "再次贷款", "再贷", "循环贷", "推荐好友", "限时", "抢购", "新车推荐", "置换补贴",
    "special offer", "limited offer", "limited time", "discount", "promotion", "cashback",
    "refer a friend", "refinance with us", "apply now", "new loan", "low rates", "prize",
)  # fmt: skip

SIGN_BRACKETS: Mapping[str, str] = {"zh-CN": "【】", "en": "[]"}
"""The two characters around the sign, per language; carriers in China ask for 【】."""
OPT_OUT_CLASSES = frozenset({MessageClass.MARKETING})
"""Messages that must offer a way out; carriers refuse the words in every other message."""
LINK_KEY_FILE = "secrets/links.key"
"""Secret that signs the links, made by `init`; the page behind them needs a copy of it."""

_Value = TypeVar("_Value")


def for_language(values: Mapping[str, _Value], language: str, default: _Value) -> _Value:
    """The value for this language, else for a language with the same primary subtag, else the default."""
    primary = language.split("-", 1)[0]
    same = [value for tag, value in values.items() if tag.split("-", 1)[0] == primary]
    return values.get(language, same[0] if same else default)


OtherPartyDetail = Literal["amount", "overdue_amount", "penalty", "total_due", "plate_tail", "pay_link"]
"""Values of templates that tell how the debt stands, or lead to a page that does."""


class MessagesSettings(Settings):
    """How messages are written, measured and checked."""

    templates_dir: str = Field(
        default="templates",
        description="Folder of the message templates, one sub-folder per language.",
        examples=["templates"],
    )
    default_language: str = Field(
        default="zh-CN",
        description="Language of a recipient whose own language is not known (BCP 47).",
        examples=["zh-CN", "en"],
    )
    fallback: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Per language, those whose template words a notice that has none in it yet, first to last; empty "
        "to hold such notices. `templates lint` tells what falls back.",
        examples=[{"es": ["en"]}],
    )
    billing: Literal["gsm", "china"] = Field(
        default="china",
        description="How a text message is counted. china: 70 characters, sign included, then 67 a part; "
        "gsm: parts of 160/153 GSM-7 or 70/67 UCS-2 units.",
        examples=["china", "gsm"],
    )
    segment_limit: Mapping[str, int] = Field(
        default={"zh-CN": 2, "en": 3},
        description="Parts that one text message may cost, per language; `templates lint` reports a template "
        "that can cost more to a person with a long name, with your sign, telephone and links.",
        examples=[{"zh-CN": 2, "en": 3}],
    )
    reply_hint: Mapping[str, str] = Field(
        default={"zh-CN": "可回复或", "en": "Reply or"},
        description="Words before 致电 and call at the end of a text message that tell how to answer it, per "
        "language. Empty where replies are not received.",
        examples=[{"zh-CN": "可回复或", "en": "Reply or"}],
    )
    opt_out_text: Mapping[str, str] = Field(
        default={"zh-CN": "拒收请回复R", "en": "Reply STOP to opt out"},
        description="Words by which a recipient may refuse further messages, per language.",
        examples=[{"zh-CN": "拒收请回复R", "en": "Reply STOP to opt out"}],
    )
    forbidden_words: tuple[str, ...] = Field(
        default=FORBIDDEN_WORDS,
        description="Words no message may hold: threats, shaming, false legal claims. Letter case does "
        "not matter.",
        examples=[["坐牢", "拘留", "arrest"]],
    )
    marketing_words: tuple[str, ...] = Field(
        default=MARKETING_WORDS,
        description="Words that only a message of class marketing may hold.",
        examples=[["优惠", "special offer"]],
    )
    other_parties_may_read: frozenset[OtherPartyDetail] = Field(
        default=frozenset(),
        description="Details of the debt that a co-borrower or guarantor may be told: amount, overdue_amount, penalty, "
        "total_due, plate_tail, pay_link. `templates lint` reports any other in their texts. Counsel decides: they owe "
        "the debt too, but the borrower's data is not theirs. Nobody else is told anything.",
        examples=[["amount"]],
    )
    pay_link_base: str = Field(
        default="",
        description="Address of the lender's payment page; the signed token is appended. Empty: no "
        "payment link.",
        examples=["https://pay.example.com/p/"],
    )
    certificate_link_base: str = Field(
        default="",
        description="Address where a settlement certificate is fetched and checked; its verification code is "
        "appended (see `certificates`). Empty: no link.",
        examples=["https://pay.example.com/c/"],
    )

    @property
    def link_bases(self) -> dict[str, str]:
        """Base address by the variable that holds the link; "" where there is none."""
        return {"pay_link": self.pay_link_base, "certificate_link": self.certificate_link_base}

    @field_validator("segment_limit")
    @classmethod
    def _positive(cls, limits: Mapping[str, int]) -> Mapping[str, int]:
        wrong = sorted(name for name, limit in limits.items() if limit < 1)
        if wrong:
            raise ValueError(f"give a limit of 1 or more for {', '.join(wrong)}")
        return limits

    @field_validator("pay_link_base", "certificate_link_base")
    @classmethod
    def _https(cls, base: str) -> str:
        if base and not (base.startswith("https://") and base.isascii() and base.endswith(("/", "=", "?"))):
            raise ValueError("write an address that starts with https:// and ends with /, ? or =")
        return base

    @field_validator("forbidden_words", "marketing_words")
    @classmethod
    def _no_blank_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip() for word in words):
            raise ValueError("a word in the list is empty; an empty word would be found in every message")
        return words
