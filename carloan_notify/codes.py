"""Every stable code, beside it what it says to people in English and in Chinese.

A code never changes its meaning; its sentences may. A finding's own text at its place holds the values as well; the
sentence here is what is said in Chinese, and what the tables of the runbook show.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code with its sentences: `CODE = "code", "English.", "中文。"`."""

    english: str
    chinese: str

    def __new__(cls, value: str, english: str = "", chinese: str = "") -> Self:
        """A member is equal to its value; its sentences stand beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.english, member.chinese = english, chinese
        return member

    def sentence(self, language: str) -> str:
        """For people: Chinese for `zh…`, English for any other language."""
        return self.chinese if language.lower().startswith("zh") else self.english


class Method(Code):
    """How a loan is repaid (`repayment_method`). What each means for amounts stands in `loans.methods.METHODS`."""

    EQUAL_INSTALLMENT = "equal_installment", "Equal installments.", "等额本息"
    EQUAL_PRINCIPAL = "equal_principal", "Equal principal, falling interest.", "等额本金"
    INTEREST_ONLY = "interest_only", "Interest first, principal with the last installment.", "先息后本"
    BALLOON = "balloon", "Equal installments and a balloon with the last.", "尾款"
    FLAT = "flat", "Equal principal, interest always on the first principal.", "等本等息"


class Reason(Code):
    """Why a notice is not told tonight, in the order in which it is asked."""

    ALREADY_SENT = (
        "already_sent",
        "It was already sent or queued in an earlier run.",
        "此前的批次已发送或已排队。",
    )
    SUPERSEDED = (
        "superseded",
        "A later notice for the same loan replaces it: it falls due tonight, or was queued or sent before.",
        "同一笔贷款有更靠后的通知（今晚应发，或此前已排队或已发送），由其代替。",
    )
    DO_NOT_CONTACT = "do_not_contact", "The person is marked do-not-contact.", "该联系人已标记为禁止联系。"
    OPTED_OUT = "opted_out", "The person opted out of messages of this class.", "该联系人已退订此类消息。"
    WRONG_NUMBER = (
        "wrong_number",
        "The number was reported as somebody else's; correct it in the export, or verify it and release it (numbers).",
        "号码被反馈属于他人；请在导出数据中更正，或核实后解除（numbers）。",
    )
    IN_DISPUTE = (
        "in_dispute",
        "A dispute is open, so collection notices wait until it is closed.",
        "存在未了结的争议，催收类通知暂缓至争议解决。",
    )
    DECEASED = "deceased", "The person is reported to have died.", "据反馈该联系人已去世。"
    BANKRUPTCY = (
        "bankruptcy",
        "The person is in bankruptcy: nothing that collects is sent.",
        "该联系人处于破产程序中：不发送任何催收类消息。",
    )
    LAWYER = (
        "lawyer",
        "A lawyer speaks for the person: write to the lawyer.",
        "该联系人已委托律师：请与其律师联系。",
    )
    BEREAVEMENT = (
        "bereavement",
        "Somebody near the person has died: what collects waits for a while.",
        "该联系人亲属去世：催收类消息暂缓一段时间。",
    )
    DISASTER = (
        "disaster",
        "A disaster struck where the person lives: what collects waits.",
        "该联系人所在地区受灾：催收类消息暂缓。",
    )
    HARDSHIP = (
        "hardship",
        "The person says that they cannot pay: what collects waits until somebody has talked to them.",
        "该联系人表示还款困难：催收类消息暂缓，待人工沟通。",
    )
    PAUSED = "paused", "Messages pause until a date.", "消息暂停至指定日期。"
    PROMISED = (
        "promised",
        "The person has promised to pay by a date that has not passed: collection waits for it.",
        "该联系人已承诺还款，期限未到：催收类消息暂缓。",
    )
    NO_CONSENT = (
        "no_consent",
        "Messages of this class need consent, and none is on record.",
        "此类消息须事先取得同意，现无同意记录。",
    )
    NO_PHONE = (
        "no_phone",
        "There is no phone number; add it to the export.",
        "缺少手机号；请在导出数据中补充。",
    )
    NUMBER_DEAD = (
        "number_dead",
        "The number is dead, or in quarantine after failures; add another, or verify it (phone_verified_on, numbers).",
        "该号码为空号，或因多次失败已隔离；请更换号码，或核实该号码（phone_verified_on、numbers）。",
    )
    LANDLINE = (
        "landline",
        "The number is a landline, which takes no text messages; add a mobile number.",
        "该号码为固定电话，不能接收短信；请补充手机号。",
    )
    COUNTRY_REFUSED = (
        "country_refused",
        "The number is in a country that policy.countries does not name; add the country or another number.",
        "该号码所属国家不在 policy.countries 之列；请添加该国家或更换号码。",
    )
    CHANNEL_REFUSED = (
        "channel_refused",
        "The person does not accept this channel.",
        "该联系人不接受此发送渠道。",
    )
    LANGUAGE_UNKNOWN = (
        "language_unknown",
        "There are no templates in the person's language; add them or set policy.default_language.",
        "没有该语言的模板；请添加模板或设置 policy.default_language。",
    )
    INCOMPLETE_DATA = (
        "incomplete_data",
        "A row of this loan or person was rejected (see the rejects file): a payment or a refusal may be missing.",
        "该贷款或联系人有数据行被拒收（见拒收文件），可能缺少还款或拒绝联系的记录。",
    )
    TIMEZONE_UNKNOWN = (
        "timezone_unknown",
        "The time zone is missing or unknown, so permitted hours cannot be told; add an IANA zone.",
        "时区缺失或无法识别，无法判断可联系时段；请补充 IANA 时区名称。",
    )
    PREFERRED_HOURS_UNREADABLE = (
        "preferred_hours_unreadable",
        "The person's preferred hours cannot be read; write them like 18:00-20:00.",
        "无法识别偏好联系时段；请按 18:00-20:00 的格式填写。",
    )
    PREFERRED_HOURS_OUTSIDE = (
        "preferred_hours_outside",
        "The person's preferred hours lie outside the permitted hours.",
        "偏好联系时段不在允许的联系时段之内。",
    )
    HOURS_OUTSIDE = (
        "hours_outside",
        "The rule's hours, or policy.hours, share no time with the law that binds this person; see `policy show`.",
        "规则或 policy.hours 的时段与约束该联系人的法规时段没有交集；请见 `policy show`。",
    )
    HOLIDAYS_UNKNOWN = (
        "holidays_unknown",
        "Hours depend on public holidays, which are unknown for the person's country; name a calendar in policy.hours.",
        "联系时段取决于法定节假日，而该联系人所在国家的节假日未知；请在 policy.hours 中指定 calendar。",
    )
    NO_CONTACT_DATE = (
        "no_contact_date",
        "No contact is made on the days on which it could still be told.",
        "可告知的日期均为不联系日。",
    )
    TOO_LATE = (
        "too_late",
        "The permitted hours of the last day on which it could be told are over.",
        "最后可告知之日的允许时段已过。",
    )
    NO_LONGER_TRUE = (
        "no_longer_true",
        "It would no longer be true on the day it is read: paid meanwhile, or its day is over.",
        "到阅读之日内容已不属实：期间已还款，或已过该通知的日子。",
    )
    PAYMENT_AHEAD = (
        "payment_ahead",
        "A payment of this loan is dated after today, so nobody can say what is owed: collection waits.",
        "该贷款有还款记录的日期晚于今日，无法确定欠款，催收类通知暂缓。",
    )
    SAME_NUMBER = (
        "same_number",
        "Another party of the loan has the same number, which hears of it once.",
        "与该贷款另一当事人号码相同，同一号码只告知一次。",
    )
    OVER_CAP = (
        "over_cap",
        "The person has been contacted as often as policy.caps or a preset allows; it waits for a following night.",
        "已达 policy.caps 或法规预设规定的联系次数上限，留待之后的批次。",
    )
    TOO_SOON = (
        "too_soon",
        "It would come sooner after another message than policy.gaps allows; it waits for a following night.",
        "与另一条消息的间隔短于 policy.gaps 的规定，留待之后的批次。",
    )
    COOLING_OFF = (
        "cooling_off",
        "After an answered call or a reply, policy.cool_offs or a preset asks for some days of rest.",
        "近日已有过沟通（电话已接听或收到回复），按 policy.cool_offs 或法规预设须暂停联系。",
    )
    EXPIRED = (
        "expired",
        "The last night on which it could be told is over; until then it was held.",
        "可告知的最后一晚已过，此前一直暂缓。",
    )
    MERGED = (
        "merged",
        "Another message to the same person tells this one too.",
        "已并入发给同一人的另一条消息。",
    )


class Why(Code):
    """What a rule says of a loan; `{days}` is what the rule counts."""

    FIRES = "fires", "It falls due today (day {days} of its count).", "今日应发(计数第 {days} 天)。"
    NOT_ACTIVE = (
        "not_active",
        "The loan is not active, or could not be computed; see its status and findings.",
        "贷款不在还款中，或未能计算；请查看其状态与问题清单。",
    )
    NOTHING_DUE = "nothing_due", "No unpaid installment falls due soon.", "近期没有未还的分期到期。"
    TOO_EARLY = (
        "too_early",
        "Its day has not come yet (day {days} of its count).",
        "未到发送日(计数第 {days} 天)。",
    )
    PASSED = (
        "passed",
        "Its day and the days to catch up are over (day {days} of its count).",
        "发送日及补发期已过(计数第 {days} 天)。",
    )
    NOT_LATE = "not_late", "The loan is not past due.", "贷款未逾期。"
    OTHER_LOANS = (
        "other_loans",
        "The rule's `where` does not fit this loan or its people: {columns}.",
        "规则的 where 条件不适用于该贷款或其联系人：{columns}。",
    )
    NOT_HAPPENED = (
        "not_happened",
        "The event has not been reported for this loan.",
        "该贷款没有此事件的记录。",
    )


class RenderCode(Code):
    """Why there is no message."""

    LANGUAGE_MISSING = "language_missing", "There are no templates in this language.", "没有该语言的模板。"
    TEMPLATE_MISSING = (
        "template_missing",
        "There is no template for this notice and channel.",
        "没有该通知在此渠道上的模板。",
    )
    TEMPLATE_BROKEN = "template_broken", "The template cannot be read.", "模板无法读取。"
    UNKNOWN_VARIABLE = (
        "unknown_variable",
        "The template asks for a value that is not there.",
        "模板使用了不存在的变量。",
    )
    TEMPLATE_ENDLESS = (
        "template_endless",
        "The template ran for too long and was given up.",
        "模板运行时间过长，已中止。",
    )
    RENDER_FAILED = (
        "render_failed",
        "The template failed with this loan's values.",
        "用该贷款的数据生成文字时模板出错。",
    )
    EMPTY = "message_empty", "The template gave no text.", "模板没有生成任何文字。"
    TOO_LONG = "message_too_long", "The text is longer than allowed.", "文字超过允许的长度。"


class Look(Code):
    """What the last look at the tables, just before a message leaves, says against it.

    `paid`, `no_longer_true`, `other_loans`, `taken_back`, `number_changed`, `refused`, `superseded` and `hours_ending`
    end it; the others hold it until the next `send` looks again.
    """

    PAID = "paid", "It has been paid since it was queued.", "排队后已还款。"
    NO_LONGER_TRUE = (
        "no_longer_true",
        "What it says is no longer so.",
        "内容已不再属实。",
    )
    OTHER_LOANS = (
        "other_loans",
        "The rule's `where` no longer fits the loan or its person.",
        "规则的 where 条件已不再适用于该贷款或其联系人。",
    )
    TAKEN_BACK = (
        "taken_back",
        "The payment that it confirms was taken back.",
        "消息所确认的还款已被冲正。",
    )
    NUMBER_CHANGED = (
        "number_changed",
        "The person no longer has this number: nothing goes to it, and the next run tells the new one.",
        "该联系人已不再使用此号码：不向旧号码发送，由下一批次通知新号码。",
    )
    REFUSED = (
        "refused",
        "The person may not be told any more: do-not-contact, opted out, no consent, not this way, or a dead number.",
        "现已不得联系：禁止联系、已退订、无同意记录、不接受此渠道，或号码已失效。",
    )
    SUPERSEDED = (
        "superseded",
        "A later stage of the same installment was queued or sent and replaces it.",
        "同一期已有更靠后的阶段排队或发送，由其代替。",
    )
    HOURS_ENDING = (
        "hours_ending",
        "Its contact hours end soon, and no provider of the channel can be told until when it may arrive: it expires.",
        "可联系时段即将结束，且该渠道的服务商均无法限定最晚送达时间，消息作过期处理。",
    )
    STANDING_UNCLEAR = (
        "standing_unclear",
        "The tables no longer say where the loan stands: it waits for the next look.",
        "数据表已无法说明该贷款的状况，待下次核对。",
    )
    PAYMENT_AHEAD = (
        "payment_ahead",
        "A payment of the loan is dated after today: collection waits for the next look.",
        "该贷款有日期晚于今日的还款记录，催收类消息待下次核对。",
    )
    EVENT_GONE = (
        "event_gone",
        "The tables no longer hold the event that it tells of: it waits for the next look.",
        "数据表中已没有消息所述的事件，待下次核对。",
    )
    PERSON_GONE = (
        "person_gone",
        "The tables no longer name this person for the loan: it waits for the next look.",
        "数据表中该贷款已没有此联系人，待下次核对。",
    )
    IN_DISPUTE = (
        "in_dispute",
        "The tables now say that a dispute is open: collection waits for the next look.",
        "数据表现已标明存在争议，催收类消息待下次核对。",
    )
    ON_HOLD = (
        "on_hold",
        "The tables or the ledger now hold it (a death, a bankruptcy, hardship, a pause): it waits for the next look.",
        "数据表或账本现已注明暂缓原因（去世、破产、困难、暂停等），待下次核对。",
    )
    OUT_OF_HOURS = (
        "out_of_hours",
        "By the time zone or the preferred hours that the tables now give, it is no time for contact.",
        "按数据表现在的时区或偏好时段，此刻不宜联系。",
    )
    TALKED = (
        "talked",
        "An answered call or a reply came since it was queued, after which policy.cool_offs or a preset asks for rest.",
        "排队后已有沟通（电话已接听或收到回复），按 policy.cool_offs 或法规预设须暂停联系。",
    )
    EXPORT_DOUBTED = (
        "export_doubted",
        "The tables shrank, or say of most at once that they paid, moved or refuse: they are not believed yet.",
        "数据表大幅缩减，或显示大多数人同时已还款、换号或拒绝联系，不予采信，待下次核对。",
    )
    ANSWERED = (
        "answered",
        "The call of this stage was answered, so no text follows.",
        "本阶段的电话已接听，不再发送短信。",
    )
    FIRST_PENDING = (
        "first_pending",
        "The message of this stage that goes first has not left, or has had no receipt yet.",
        "本阶段须先发送的消息尚未发出或尚无回执。",
    )
    NOT_WORDED = (
        "not_worded",
        "The figures changed and the text could not be worded anew: it waits for the next look.",
        "金额已变，但无法重新生成文字，待下次核对。",
    )


class Repeated(Code):
    """Why a message is not sent again yet; `{message_id}` is the attempt that stands in the way."""

    WAITS = (
        "attempt_waits",
        "Message {message_id} says the same and still waits: `send` sends it when its time has come.",
        "消息 {message_id} 内容相同，仍在排队，到时由 `send` 发出，不再补发。",
    )
    IN_DOUBT = (
        "attempt_in_doubt",
        "Whether message {message_id}, which says the same, has left is not known: settle that first, see `reconcile`.",
        "内容相同的消息 {message_id} 是否已发出尚不清楚，请先核实（见 `reconcile`）。",
    )
    NEWS = (
        "contacted_since",
        "Something was queued for this person, or a conversation was held, since this was proposed; look at it again.",
        "自提出补发以来，该联系人已有新的消息排队或已有沟通；请重新查看。",
    )


class GuardName(Code):
    """What stops a night before its first message."""

    EXPORT_STALE = "export_stale", "The loan export is too old.", "贷款导出数据过旧。"
    SAME_EXPORT = "same_export", "The input is the same as last night's.", "输入数据与上一晚相同。"
    ROW_DROP = "row_drop", "The number of loans fell.", "贷款笔数骤减。"
    NO_NEW_PAYMENTS = "no_new_payments", "No new payments came in.", "没有新的还款记录。"
    OVERDUE_JUMP = "overdue_jump", "The share of overdue loans jumped.", "逾期占比骤增。"
    MESSAGE_COUNT = (
        "message_count",
        "The number of messages is far from what was expected.",
        "消息数量与预期差异过大。",
    )
    DAILY_COST_CAP = "daily_cost_cap", "The night would cost more than a day may.", "费用超过单日上限。"
    MONTHLY_COST_CAP = (
        "monthly_cost_cap",
        "The night would take the month above its limit.",
        "费用超过当月上限。",
    )
    COST = "cost", "The cost is far from what was expected.", "费用与预期差异过大。"
    REJECT_RATE = "reject_rate", "Too many rows were rejected.", "被拒收的数据行过多。"
    INCOMPLETE_EXPORT = "incomplete_export", "A table is not whole.", "数据表不完整。"
    COLUMN_BLANK = "column_blank", "A column went blank.", "某一列变为空白。"
    ORPHAN_ROWS = "orphan_rows", "Rows match no loan.", "数据行对应不到任何贷款。"
    FUTURE_ROWS = "future_rows", "Payments are dated in the future.", "还款日期在未来。"
    UNREADABLE_NAMES = "unreadable_names", "Names cannot be read.", "姓名出现乱码。"
    SHARED_PHONES = "shared_phones", "Many customers share one number.", "多名客户共用一个手机号。"
    FOREIGN_ZONES = "foreign_zones", "Time zones do not fit the numbers.", "时区与手机号所属国家不符。"
    ALL_DUE_TODAY = (
        "all_due_today",
        "Too many loans are due today against their terms.",
        "过多贷款与合同不符地于今日到期。",
    )
    AMOUNT_IMPOSSIBLE = (
        "amount_impossible",
        "An amount exceeds what a loan can owe.",
        "金额超过贷款可能的应还额。",
    )
    PAYMENT_SCALE = "payment_scale", "Payments do not fit the loans.", "还款金额与贷款规模不符。"
    LOANS_REPLACED = "loans_replaced", "Known loans are gone or many are new.", "原有贷款消失或新增过多。"
    PHONES_MOVED = "phones_moved", "Many loans have another number.", "大量贷款的手机号发生变化。"
    PRODUCTS_MOVED = "products_moved", "Many loans have another product.", "大量贷款的产品发生变化。"
    STATUS_SHIFT = "status_shift", "Statuses changed for many loans.", "大量贷款的状态发生变化。"
    DUE_DATES_MOVED = "due_dates_moved", "Due dates moved without a change row.", "到期日变动但没有变更记录。"
    AMOUNTS_MOVED = "amounts_moved", "Amounts doubled or halved overnight.", "金额一夜之间成倍增减。"
    UNPAID_DUES = "unpaid_dues", "Too much of what fell due is unpaid.", "刚到期的款项大多未还。"
    ARREARS_VANISHED = "arrears_vanished", "Arrears vanished without payments.", "逾期消失但没有还款记录。"
    BUSINESS_DATE = (
        "business_date",
        "The business date is neither today nor yesterday.",
        "业务日期既不是今日也不是昨日。",
    )
    LEDGER_RESTORED = (
        "ledger_restored",
        "The ledger is older than its signed digests: restored, copied back or made anew.",
        "账本比签名摘要旧：由备份恢复、被旧文件覆盖或重新建立。",
    )
