"""Why a notice is not told tonight: stable codes, and a sentence for people."""

from enum import StrEnum
from types import MappingProxyType

from carloan_notify.records import Decision


class Reason(StrEnum):
    """Stable codes; their sentences may change. In the order in which they are asked."""

    ALREADY_SENT = "already_sent"
    SUPERSEDED = "superseded"
    DO_NOT_CONTACT = "do_not_contact"
    OPTED_OUT = "opted_out"
    WRONG_NUMBER = "wrong_number"
    IN_DISPUTE = "in_dispute"
    NO_CONSENT = "no_consent"
    NO_PHONE = "no_phone"
    CHANNEL_REFUSED = "channel_refused"
    LANGUAGE_UNKNOWN = "language_unknown"
    INCOMPLETE_DATA = "incomplete_data"
    TIMEZONE_UNKNOWN = "timezone_unknown"
    PREFERRED_HOURS_UNREADABLE = "preferred_hours_unreadable"
    PREFERRED_HOURS_OUTSIDE = "preferred_hours_outside"
    NO_CONTACT_DATE = "no_contact_date"
    TOO_LATE = "too_late"
    OVER_CAP = "over_cap"
    MERGED = "merged"

    def sentence(self, language: str) -> str:
        """Why, for people: Chinese for `zh…`, English for any other language."""
        english, chinese = SENTENCES[self]
        return chinese if language.lower().startswith("zh") else english


DECISION_OF = MappingProxyType(
    {
        Reason.ALREADY_SENT: Decision.ALREADY_SENT,
        Reason.SUPERSEDED: Decision.SUPPRESSED,
        Reason.DO_NOT_CONTACT: Decision.SUPPRESSED,
        Reason.OPTED_OUT: Decision.SUPPRESSED,
        Reason.WRONG_NUMBER: Decision.HELD,
        Reason.IN_DISPUTE: Decision.HELD,
        Reason.NO_CONSENT: Decision.SUPPRESSED,
        Reason.NO_PHONE: Decision.HELD,
        Reason.CHANNEL_REFUSED: Decision.SUPPRESSED,
        Reason.LANGUAGE_UNKNOWN: Decision.HELD,
        Reason.INCOMPLETE_DATA: Decision.HELD,
        Reason.TIMEZONE_UNKNOWN: Decision.HELD,
        Reason.PREFERRED_HOURS_UNREADABLE: Decision.HELD,
        Reason.PREFERRED_HOURS_OUTSIDE: Decision.HELD,
        Reason.NO_CONTACT_DATE: Decision.SUPPRESSED,
        Reason.TOO_LATE: Decision.SUPPRESSED,
        Reason.OVER_CAP: Decision.HELD,
        Reason.MERGED: Decision.SUPPRESSED,
    }
)
"""SUPPRESSED will not be told; HELD may be, on a following night or once its data is put right."""

SENTENCES = MappingProxyType(
    {
        Reason.ALREADY_SENT: (
            "It was already sent or queued in an earlier run.",
            "此前的批次已发送或已排队。",
        ),
        Reason.SUPERSEDED: (
            "A later notice for the same loan falls due tonight and replaces it.",
            "同一笔贷款今晚有更靠后的通知，由其代替。",
        ),
        Reason.DO_NOT_CONTACT: (
            "The person is marked do-not-contact.",
            "该联系人已标记为禁止联系。",
        ),
        Reason.OPTED_OUT: (
            "The person opted out of messages of this class.",
            "该联系人已退订此类消息。",
        ),
        Reason.WRONG_NUMBER: (
            "The number was reported as wrong; correct it in the export or remove the suppression.",
            "号码被反馈有误；请在导出数据中更正，或移除该号码的抑制记录。",
        ),
        Reason.IN_DISPUTE: (
            "A dispute is open, so collection notices wait until it is closed.",
            "存在未了结的争议，催收类通知暂缓至争议解决。",
        ),
        Reason.NO_CONSENT: (
            "Messages of this class need consent, and none is on record.",
            "此类消息须事先取得同意，现无同意记录。",
        ),
        Reason.NO_PHONE: (
            "There is no phone number; add it to the export.",
            "缺少手机号；请在导出数据中补充。",
        ),
        Reason.CHANNEL_REFUSED: (
            "The person does not accept this channel.",
            "该联系人不接受此发送渠道。",
        ),
        Reason.LANGUAGE_UNKNOWN: (
            "There are no templates in the person's language; add them or set policy.default_language.",
            "没有该语言的模板；请添加模板或设置 policy.default_language。",
        ),
        Reason.INCOMPLETE_DATA: (
            "A row of this loan or person was rejected (see the rejects file): a payment or a refusal may be missing.",
            "该贷款或联系人有数据行被拒收（见拒收文件），可能缺少还款或拒绝联系的记录。",
        ),
        Reason.TIMEZONE_UNKNOWN: (
            "The time zone is missing or unknown, so permitted hours cannot be told; add an IANA zone.",
            "时区缺失或无法识别，无法判断可联系时段；请补充 IANA 时区名称。",
        ),
        Reason.PREFERRED_HOURS_UNREADABLE: (
            "The person's preferred hours cannot be read; write them like 18:00-20:00.",
            "无法识别偏好联系时段；请按 18:00-20:00 的格式填写。",
        ),
        Reason.PREFERRED_HOURS_OUTSIDE: (
            "The person's preferred hours lie outside the permitted hours.",
            "偏好联系时段不在允许的联系时段之内。",
        ),
        Reason.NO_CONTACT_DATE: (
            "No contact is made on the days on which it could still be told.",
            "可告知的日期均为不联系日。",
        ),
        Reason.TOO_LATE: (
            "The permitted hours of the last day on which it could be told are over.",
            "最后可告知之日的允许时段已过。",
        ),
        Reason.OVER_CAP: (
            "The person has been contacted as often as policy.caps allows; it waits for a following night.",
            "已达 policy.caps 规定的联系次数上限，留待之后的批次。",
        ),
        Reason.MERGED: (
            "Another message to the same person tells this one too.",
            "已并入发给同一人的另一条消息。",
        ),
    }
)
