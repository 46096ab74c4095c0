"""The canonical columns of every table: what a cell means, when it must be there, who may see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Final, Literal

from carloan_notify.loans.methods import METHODS
from carloan_notify.sources.values import word_key

# Headers and words as Chinese core systems write them, by canonical name. The lender's own go first.

HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "loan_id": ("合同号", "合同编号", "贷款合同号", "借据号", "贷款编号", "贷款号"),
    "customer_id": ("客户号", "客户编号", "客户ID"),
    "borrower_name": ("借款人", "借款人姓名", "客户姓名", "姓名"),
    "name": ("姓名", "联系人", "联系人姓名"),
    "phone": ("手机号", "手机号码", "手机", "联系电话", "电话"),
    "product": ("产品", "产品名称", "产品代码"),
    "principal": ("贷款本金", "贷款金额", "借款金额", "本金"),
    "annual_rate": ("年利率", "贷款年利率", "利率"),
    "term_months": ("期数", "总期数", "贷款期限", "期限"),
    "disbursed_on": ("放款日", "放款日期"),
    "first_due_on": ("首期还款日", "首次还款日", "首个还款日"),
    "due_day": ("每月还款日", "还款日"),
    "repayment_method": ("还款方式",),
    "status": ("状态", "贷款状态", "合同状态"),
    "paid_to_date": ("累计已还", "已还金额", "累计还款"),
    "language": ("语言",),
    "timezone": ("时区",),
    "country": ("国家", "所在国家"),
    "region": ("州", "所在州"),
    "account_tail": ("账号尾号", "还款账号尾号", "卡尾号", "银行卡尾号"),
    "plate_no": ("车牌号", "车牌号码", "车牌"),
    "in_dispute": ("争议", "是否争议"),
    "balloon": ("尾款", "尾款金额"),
    "next_due_on": ("下期还款日", "下次还款日"),
    "amount_due": ("应还金额", "本期应还", "下期应还金额"),
    "overdue_amount": ("逾期金额",),
    "days_past_due": ("逾期天数",),
    "next_installment_no": ("下期期次", "下期期数"),
    "installment_no": ("期次", "期号", "期数"),
    "due_on": ("还款日", "应还日期", "到期日", "还款日期"),
    "principal_due": ("应还本金", "本金"),
    "interest_due": ("应还利息", "利息"),
    "fees_due": ("应还费用", "费用"),
    "total_due": ("应还总额", "应还金额", "应还合计"),
    "paid_amount": ("已还金额", "实还金额"),
    "payment_id": ("流水号", "还款流水号", "交易流水号"),
    "paid_on": ("还款日期", "实还日期", "入账日期", "支付日期"),
    "amount": ("金额", "还款金额", "交易金额"),
    "change_id": ("变更编号", "变更号"),
    "type": ("类型", "变更类型", "事件类型"),
    "effective_on": ("生效日", "生效日期"),
    "value": ("变更值", "变更内容", "值"),
    "event_id": ("事件编号", "事件号"),
    "occurred_at": ("发生时间", "发生日期", "事件时间"),
    "detail": ("详情", "备注"),
    "role": ("角色", "关系", "联系人类型"),
    "channels": ("渠道", "通知渠道"),
    "preferred_hours": ("联系时段", "方便时段"),
    "consent": ("同意", "同意类别"),
    "opt_out": ("退订", "退订类别"),
    "do_not_contact": ("禁止联系", "勿扰"),
    "hold": ("暂缓原因", "暂缓", "停催原因"),
    "hold_until": ("until", "暂缓至", "暂缓截止日", "停催截止日"),
    "phone_verified_on": ("号码核实日", "号码核实日期", "手机号核实日期"),
}

METHOD_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    method.value: (method.chinese, *rules.also_called) for method, rules in METHODS.items()
}
STATUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "pending": ("待放款", "审批中", "未放款", "申请中"),
    "active": ("正常", "还款中", "逾期", "在贷", "current", "overdue", "open"),
    "settled": ("已结清", "结清", "提前结清", "closed", "paid off"),
    "charged_off": ("核销", "已核销", "呆账", "written off"),
    "cancelled": ("已取消", "取消", "作废", "撤销", "canceled"),
}
CHANGE_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "due_day": ("变更还款日", "due day change"),
    "deferral": ("延期",),
    "extension": ("展期",),
    "rate": ("利率变更", "调息", "rate change"),
    "prepayment": ("提前还款",),
    "settlement": ("提前结清", "early settlement"),
    "pause": ("停催", "暂停催收"),
}
EVENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "application_received": ("申请受理", "已受理"),
    "application_approved": ("审批通过", "approved"),
    "application_rejected": ("审批拒绝", "审批未通过", "rejected"),
    "contract_signed": ("签约", "已签约", "signed"),
    "loan_disbursed": ("放款", "已放款", "disbursed"),
    "payment_received": ("还款到账", "已还款"),
    "due_day_changed": ("还款日变更",),
    "loan_deferred": ("延期", "已延期", "deferred"),
    "loan_extended": ("展期", "已展期", "extended"),
    "rate_changed": ("利率变更", "调息"),
    "loan_prepaid": ("部分提前还款", "prepaid"),
    "settlement_quoted": ("提前结清试算", "提前结清报价", "settlement quote"),
    "loan_settled": ("结清", "已结清", "settled"),
    "lien_released": ("抵押已解除", "已解押", "lien released"),
    "remainder_left": ("余款未清", "remainder"),
}
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "borrower": ("借款人", "本人", "主借人"),
    "co_borrower": ("共同借款人", "共借人"),
    "guarantor": ("担保人", "保证人"),
    # Read so that nobody's rows are rejected for it; no rule can name it, so such a person is told nothing.
    "emergency_contact": ("紧急联系人", "联系人", "亲属", "emergency contact", "reference", "next of kin"),
}
HOLD_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "dispute": ("争议", "异议", "投诉"),
    "hardship": ("困难", "还款困难", "经济困难"),
    "deceased": ("身故", "死亡", "已故", "去世"),
    "bankruptcy": ("破产", "bankrupt"),
    "lawyer": ("律师", "委托律师", "律师代理", "attorney", "represented"),
    "bereavement": ("丧亲", "亲属去世", "家属去世", "丧事"),
    "disaster": ("灾区", "受灾", "灾害", "disaster area"),
    "promise": ("承诺还款", "承诺", "promise to pay", "ptp"),
    "pause": ("暂停", "暂停催收", "停催"),
}
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "sms": ("短信", "text"),
    "voice": ("语音", "电话", "call"),
}
MESSAGE_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "service": ("服务", "通知"),
    "collection": ("催收",),
    "marketing": ("营销", "推广"),
}
CONSENTS: Final[Mapping[str, tuple[str, ...]]] = {**MESSAGE_CLASSES, "hours": ("时段", "night", "夜间")}
"""Classes that a person consents to, and `hours`: to be told at other hours than the law of the place prescribes."""


TableName = Literal["loans", "installments", "payments", "changes", "events", "contacts"]
Basis = Literal["supplied", "computed", "snapshot"]

RUNNING_STATUSES: Final = ("active",)


class CellKind(StrEnum):
    """How a cell is read."""

    IDENTIFIER = "identifier"
    TEXT = "text"
    AMOUNT = "amount"
    RATE = "rate"
    DATE = "date"
    COUNT = "count"
    FLAG = "flag"
    PHONE = "phone"
    LANGUAGE = "language"
    TIMEZONE = "timezone"
    COUNTRY = "country"
    HOURS = "hours"
    CHOICE = "choice"
    CHOICES = "choices"


class Need(Enum):
    """What must be there: nothing, the column, or the cell (of every row, or of running loans only)."""

    OPTIONAL = 0
    COLUMN = 1
    RUNNING_CELL = 2
    CELL = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column. `name` is the input's, `frame_name` the frame's; bounds are in frame units.

    `need` holds under the bases in `bases` (empty: all); `personal` values are masked wherever shown.
    """

    name: str
    frame_name: str
    kind: CellKind
    need: Need = Need.OPTIONAL
    bases: frozenset[str] = frozenset()
    personal: bool = False
    least: int | None = None
    most: int | None = None
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table's columns.

    `key`: the frame columns that name a row once (empty: rows may repeat). `owner`: whose row it is.
    `any_of`: columns of which every row fills at least one.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    owner: str = "loan_id"
    any_of: tuple[str, ...] = ()

    def need(self, column: Column, basis: str) -> Need:
        """What must be there of a column under one basis of the schedule."""
        return column.need if not column.bases or basis in column.bases else Need.OPTIONAL


def _words(choices: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    """Every accepted spelling, in `word_key` form, to its canonical word."""
    return {word_key(word): name for name, others in choices.items() for word in (name, *others)}


def _identifier(name: str, need: Need = Need.CELL, *, personal: bool = False) -> Column:
    return Column(name, name, CellKind.IDENTIFIER, need, personal=personal)


def _text(name: str, *, personal: bool = False) -> Column:
    return Column(name, name, CellKind.TEXT, personal=personal)


def _amount(
    name: str,
    frame_name: str,
    need: Need = Need.OPTIONAL,
    bases: frozenset[str] = frozenset(),
    least: int | None = 0,
) -> Column:
    return Column(name, frame_name, CellKind.AMOUNT, need, bases, least=least)


def _date(
    name: str, need: Need = Need.OPTIONAL, bases: frozenset[str] = frozenset(), frame_name: str = ""
) -> Column:
    return Column(name, frame_name or name, CellKind.DATE, need, bases)


def _choice(
    name: str,
    choices: Mapping[str, tuple[str, ...]],
    need: Need = Need.CELL,
    bases: frozenset[str] = frozenset(),
) -> Column:
    return Column(name, name, CellKind.CHOICE, need, bases, words=_words(choices))


def _choices(name: str, choices: Mapping[str, tuple[str, ...]]) -> Column:
    return Column(name, name, CellKind.CHOICES, words=_words(choices))


def _flag(name: str) -> Column:
    return Column(name, name, CellKind.FLAG)


_COMPUTED: Final = frozenset({"computed"})
_SNAPSHOT: Final = frozenset({"snapshot"})
_PHONE: Final = Column("phone", "phone", CellKind.PHONE, Need.COLUMN, personal=True)
_LANGUAGE: Final = Column("language", "language", CellKind.LANGUAGE)
_TIMEZONE: Final = Column("timezone", "timezone", CellKind.TIMEZONE)
_COUNTRY: Final = Column("country", "country", CellKind.COUNTRY)
_MOST_INSTALLMENTS: Final = 600

_LOANS: Final = (
    _identifier("loan_id"),
    _identifier("customer_id"),
    _text("borrower_name", personal=True),
    _PHONE,
    _text("product"),
    Column("principal", "principal_minor", CellKind.AMOUNT, Need.RUNNING_CELL, _COMPUTED, least=0),
    Column("annual_rate", "annual_rate_ppb", CellKind.RATE, Need.RUNNING_CELL, _COMPUTED),
    Column(
        "term_months",
        "term_months",
        CellKind.COUNT,
        Need.RUNNING_CELL,
        _COMPUTED,
        least=1,
        most=_MOST_INSTALLMENTS,
    ),
    _date("disbursed_on"),
    _date("first_due_on", Need.RUNNING_CELL, _COMPUTED),
    Column("due_day", "due_day", CellKind.COUNT, least=1, most=31),
    _choice("repayment_method", METHOD_WORDS, Need.RUNNING_CELL, _COMPUTED),
    _choice("status", STATUSES),
    _amount("paid_to_date", "paid_to_date_minor"),
    _LANGUAGE,
    _TIMEZONE,
    _COUNTRY,
    _text("region"),
    _identifier("account_tail", Need.OPTIONAL, personal=True),
    _identifier("plate_no", Need.OPTIONAL, personal=True),
    _flag("in_dispute"),
    _choices("hold", HOLD_WORDS),
    _date("hold_until"),
    _amount("balloon", "balloon_minor"),
    _date("next_due_on", Need.COLUMN, _SNAPSHOT),
    _amount("amount_due", "amount_due_minor", Need.RUNNING_CELL, _SNAPSHOT),
    _amount("overdue_amount", "overdue_minor", Need.RUNNING_CELL, _SNAPSHOT),
    Column(
        "days_past_due", "days_past_due", CellKind.COUNT, Need.RUNNING_CELL, _SNAPSHOT, least=0, most=36_500
    ),
    Column("next_installment_no", "next_installment_no", CellKind.COUNT, least=0, most=_MOST_INSTALLMENTS),
)
_INSTALLMENTS: Final = (
    _identifier("loan_id"),
    Column("installment_no", "installment_no", CellKind.COUNT, Need.CELL, least=1, most=_MOST_INSTALLMENTS),
    _date("due_on", Need.CELL),
    _amount("principal_due", "principal_minor"),
    _amount("interest_due", "interest_minor"),
    _amount("fees_due", "fees_minor"),
    _amount("total_due", "total_minor"),
    _amount("paid_amount", "paid_minor"),
)
_PAYMENTS: Final = (
    _identifier("payment_id"),
    _identifier("loan_id"),
    _date("paid_on", Need.CELL),
    _amount("amount", "amount_minor", Need.CELL, least=None),
)
_CHANGES: Final = (
    _identifier("change_id"),
    _identifier("loan_id"),
    _choice("type", CHANGE_TYPES),
    _date("effective_on", Need.CELL),
    _text("value"),
)
_EVENTS: Final = (
    _identifier("event_id"),
    _identifier("loan_id"),
    _choice("type", EVENT_TYPES),
    _date("occurred_at", Need.CELL, frame_name="occurred_on"),
    _amount("amount", "amount_minor", least=None),
    _text("detail"),
)
_CONTACTS: Final = (
    _identifier("customer_id"),
    _identifier("loan_id", Need.OPTIONAL),
    _choice("role", ROLES),
    _text("name", personal=True),
    _PHONE,
    _LANGUAGE,
    _TIMEZONE,
    _COUNTRY,
    _text("region"),
    _choices("channels", CHANNELS),
    Column("preferred_hours", "preferred_hours", CellKind.HOURS),
    _choices("consent", CONSENTS),
    _choices("opt_out", MESSAGE_CLASSES),
    _flag("do_not_contact"),
    _flag("in_dispute"),
    _choices("hold", HOLD_WORDS),
    _date("hold_until"),
    _date("phone_verified_on"),
)

TABLES: Final[Mapping[TableName, TableSpec]] = {
    "loans": TableSpec(_LOANS, ("loan_id",)),
    "installments": TableSpec(
        _INSTALLMENTS, ("loan_id", "installment_no"), any_of=("total_due", "principal_due")
    ),
    "payments": TableSpec(_PAYMENTS, ("payment_id",)),
    "changes": TableSpec(_CHANGES, ("change_id",)),
    "events": TableSpec(_EVENTS, ("event_id",)),
    "contacts": TableSpec(_CONTACTS, (), owner="customer_id"),
}


class ExtraKind(StrEnum):
    """What a column of the lender's own may hold."""

    TEXT = "text"
    DATE = "date"
    AMOUNT = "amount"
    COUNT = "count"
    FLAG = "flag"


EXTRA_TABLES: Final[tuple[TableName, ...]] = ("loans", "contacts")
"""Tables whose rows say more of a loan or a person than we ask for; of the others nobody would hear."""
MINOR: Final = "_minor"
"""How the frame's name of every amount ends."""
_MOST_COUNTED: Final = 2**53


def extra_column(name: str, kind: ExtraKind) -> Column:
    """A column of the lender's own. Nothing is asked of it but that its cells, where not blank, can be read."""
    if kind is ExtraKind.AMOUNT:
        return _amount(name, name + MINOR, least=None)
    if kind is ExtraKind.COUNT:
        return Column(name, name, CellKind.COUNT, least=0, most=_MOST_COUNTED)
    return Column(name, name, CellKind(kind.value))


def with_extras(spec: TableSpec, extras: Mapping[str, ExtraKind]) -> TableSpec:
    """The table with the lender's own columns behind ours."""
    return replace(spec, columns=(*spec.columns, *(extra_column(*each) for each in extras.items())))


def with_event_types(spec: TableSpec, types: Mapping[str, tuple[str, ...]]) -> TableSpec:
    """The events table with types of the lender's own, each with the other words for it."""
    columns = (
        replace(column, words={**column.words, **_words(types)}) if column.name == "type" else column
        for column in spec.columns
    )
    return replace(spec, columns=tuple(columns))


def headers_of(column: Column) -> tuple[str, ...]:
    """The headers by which a column is known without a mapping, in `word_key` form, best first."""
    return tuple(word_key(header) for header in (column.name, *HEADERS.get(column.name, ())))
