"""What is said of proof, in English and in Chinese: what happened to a message, and who may be reported to a bureau.

A code never changes its meaning; its sentences may.
"""

from carloan_notify.codes import Code


class Happened(Code):
    """What the audit tells of a message, as an auditor or a court reads it."""

    QUEUED = (
        "queued",
        "Worded and queued; number and text were sealed in the audit.",
        "已生成并排队；号码与内容已封存于审计链。",
    )
    REQUEUED = "requeued", "Put back to wait; it had not left.", "退回排队，尚未发出。"
    REWORDED = (
        "reworded",
        "Worded anew before it left, because the figures had changed.",
        "发出前金额有变，已重新生成内容。",
    )
    SENDING = "sending", "Handed to the provider.", "已提交给服务商。"
    ACCEPTED = "accepted", "The provider accepted it.", "服务商已受理。"
    REJECTED = "rejected", "The provider refused it; it did not leave.", "服务商拒绝，未发出。"
    RETRYABLE = "retryable", "It had not left; it was to be tried again.", "未发出，待重试。"
    UNKNOWN = "unknown", "Whether it left was not known.", "是否发出当时不明。"
    DELIVERED = "delivered", "A receipt says that it was delivered.", "回执显示已送达。"
    UNDELIVERED = "undelivered", "A receipt says that it was not delivered.", "回执显示未送达。"
    CANCELLED = "cancelled", "Cancelled before it left.", "发出前已取消。"
    EXPIRED = "expired", "Its time was over before it left.", "发出前已过期。"
    HELD = "held", "Held back before it left, to be looked at again.", "发出前暂缓，待再次核对。"
    RELEASED = "released", "Put back to wait; it had not left.", "退回排队，尚未发出。"
    MARKED = "marked", "A person settled whether it had left.", "由人工核实是否已发出。"
    CONFLICT = "conflict", "An answer that did not fit changed nothing.", "收到不相符的应答，未作改动。"


class MayReport(Code):
    """Whether negative data of a loan may go to the credit bureau; all but the first say no."""

    TOLD = (
        "told",
        "The borrower was told before: it may be reported.",
        "已事先告知借款人：可以报送。",
    )
    IN_DOUBT = (
        "in_doubt",
        "The tables leave its standing in doubt: correct them first.",
        "数据存疑，还款情况无法确定：请先更正数据。",
    )
    NOT_OVERDUE = (
        "not_overdue",
        "Nothing is overdue on that day: paid since, or never late.",
        "当日无逾期：已还清或未曾逾期。",
    )
    IN_DISPUTE = (
        "in_dispute",
        "A dispute or another hold stands: settle it first.",
        "存在异议或其他暂缓事由：请先处理。",
    )
    OPEN_REPLY = (
        "open_reply",
        "A reply of the borrower is still on the work list: answer it first.",
        "借款人有回复尚未处理：请先处理。",
    )
    NEVER_TOLD = (
        "never_told",
        "The borrower was never told of this delinquency.",
        "从未就本次逾期告知借款人。",
    )
    OTHER_PERIOD = (
        "other_period",
        "What the borrower was told is about another installment, before this delinquency.",
        "已发的告知针对其他期次，不是本次逾期。",
    )
    CANCELLED = (
        "told_cancelled",
        "The message was cancelled, or expired, before it left.",
        "告知消息在发出前被取消或已过期。",
    )
    WAITS = (
        "told_waits",
        "The message still waits to be sent.",
        "告知消息仍在等待发送。",
    )
    REJECTED = (
        "told_rejected",
        "The provider refused the message: it never left.",
        "告知消息被服务商拒绝，未发出。",
    )
    UNKNOWN = (
        "told_unknown",
        "Whether the message left is not known: see `reconcile`.",
        "告知消息是否发出不明：请见 `reconcile`。",
    )
    UNDELIVERED = (
        "told_undelivered",
        "The message was not delivered.",
        "告知消息未送达。",
    )
    NO_RECEIPT = (
        "told_without_receipt",
        "No receipt says that the message was delivered.",
        "没有回执证明告知消息已送达。",
    )
    NOT_THEIRS = (
        "told_wrong_number",
        "The number that was told is marked as somebody else's.",
        "告知所用号码已标记为他人号码。",
    )
    TOO_LATE = (
        "told_after",
        "The message was delivered on that day or later: the borrower must be told before.",
        "告知消息于当日或之后送达：须事先告知。",
    )
    TOO_RECENT = (
        "told_recently",
        "The message was delivered fewer days before than the lender waits.",
        "告知送达后等待的天数不足。",
    )
