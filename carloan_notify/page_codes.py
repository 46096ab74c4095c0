"""What is said of a link and on the page behind it: stable codes and the page's words, in English and Chinese."""

from carloan_notify.codes import Code


class LinkFault(Code):
    """Why a link is refused."""

    MALFORMED = (
        "link_malformed",
        "It is no token: a token has 16 letters, digits, - or _.",
        "不是有效的令牌：令牌由 16 个字母、数字、- 或 _ 组成。",
    )
    FORGED = (
        "link_forged",
        "No loan and number of the tables gives it: it is forged, or the loan or the number is gone from the tables.",
        "数据表中没有任何贷款与号码对应此令牌：令牌系伪造，或该贷款、号码已不在数据表中。",
    )
    EXPIRED = "link_expired", "Its last valid day is over.", "已过最后有效日。"
    SETTLED = (
        "link_settled",
        "It is genuine, but its loan is settled: it is dead.",
        "令牌真实，但该贷款已结清，链接失效。",
    )


class PageWord(Code):
    """The words of the page behind a link. `{…}` is filled in."""

    PROVEN = "link_proven", "It is genuine and valid.", "令牌真实有效。"
    TITLE = "page_title", "Your car loan", "您的车贷"
    LANGUAGE = "page_language", "Language", "语言"
    LOAN = "page_loan", "For {name}, loan ending {tail}", "{name}，合同尾号 {tail}"
    OVERDUE = "page_overdue", "Overdue since {day}", "自{day}起逾期"
    PENALTY = "page_penalty", "Penalty interest so far", "截至今日的罚息"
    NEXT = "page_next", "Due on {day}", "{day}应还"
    TOTAL = "page_total", "Due today", "今日应还合计"
    CLEAR = (
        "page_clear",
        "Nothing is overdue, and nothing is due today.",
        "目前没有逾期，今日也没有应还款项。",
    )
    SETTLED = (
        "page_settled",
        "This loan is paid off. Nothing is due. Thank you.",
        "该笔贷款已结清，无应还款项。感谢您的支持。",
    )
    UNCLEAR = (
        "page_unclear",
        "We cannot say at this moment what is due. Please call {hotline}.",
        "目前无法确认应还金额，请致电 {hotline}。",
    )
    AS_OF = (
        "page_as_of",
        "As of {day}. A payment that you have just made may not be shown yet.",
        "以上为{day}的数据，您刚完成的还款可能尚未显示。",
    )
    PAY = "page_pay", "Go to the payment page", "前往还款页面"
    ANSWERS = "page_answers", "Tell us", "告诉我们"
    PAID = "page_paid", "I have paid", "我已还款"
    PAID_MORE = (
        "page_paid_more",
        "We compare this with our records. It can take a day until a payment is booked.",
        "我们将与入账记录核对，还款入账可能需要一天。",
    )
    TIME = "page_time", "I need time until …", "我需要延后到……"
    TIME_MORE = (
        "page_time_more",
        "Choose the day on which you will pay. It is a request: your contract stays as it is, and we come back to you.",
        "请选择您的还款日期。这是一项申请，合同约定不变，我们会与您联系。",
    )
    UNTIL = "page_until", "I will pay by", "还款日期"
    CALL = "page_call", "Call me", "请给我回电"
    CALL_MORE = (
        "page_call_more",
        "Choose when we may call this number.",
        "请选择方便接听的时间，我们将拨打收到短信的号码。",
    )
    WHEN = "page_when", "Time for the call", "回电时间"
    WRONG = "page_wrong", "This is not me", "不是我本人"
    WRONG_MORE = (
        "page_wrong_more",
        "The message was not meant for you, or you do not know this loan. We stop messages to this number at once.",
        "短信不是发给您的，或您不了解该笔贷款。我们将立即停止向此号码发送消息。",
    )
    SEND = "page_send", "Send", "提交"
    RECEIVED = "page_received", "We have received", "我们已收到"
    RECEIVED_ON = "page_received_on", "{answer}, received on {day}", "{answer}，{day}收到"
    STRANGER_TITLE = "page_stranger_title", "Thank you", "感谢告知"
    STRANGER = (
        "page_stranger",
        "This number is no longer used for messages about this loan. Please delete the message.",
        "我们不再使用此号码发送有关该笔贷款的消息。请删除该短信。",
    )
    CHOOSE_DAY = (
        "page_choose_day",
        "Choose a day from {first} to {last}.",
        "请选择{first}至{last}之间的日期。",
    )
    CHOOSE_TIME = "page_choose_time", "Choose one of the times.", "请选择一个时段。"
    ONCE_MORE = (
        "page_once_more",
        "This page was open for too long. Please send your answer once more.",
        "页面打开时间过长，请再次提交。",
    )
    INVALID_TITLE = "page_invalid_title", "This link is not valid", "链接无效"
    INVALID = (
        "page_invalid",
        "Check that you have opened the whole link, or call {hotline}.",
        "请确认链接完整，或致电 {hotline}。",
    )
    EXPIRED_TITLE = "page_expired_title", "This link has expired", "链接已过期"
    EXPIRED = (
        "page_expired",
        "Our next message has a new link. You can also call {hotline}.",
        "下一条消息将附上新链接，您也可致电 {hotline}。",
    )
    TOO_MANY_TITLE = "page_too_many_title", "Too many tries", "尝试次数过多"
    TOO_MANY = (
        "page_too_many",
        "Please wait ten minutes, then open the link again.",
        "请等待十分钟后再打开链接。",
    )
    BUSY_TITLE = "page_busy_title", "Not available at the moment", "暂时无法访问"
    BUSY = (
        "page_busy",
        "Please try again in a few minutes, or call {hotline}.",
        "请几分钟后重试，或致电 {hotline}。",
    )
    SAFETY = (
        "page_safety",
        "This page never asks for a password or a verification code. {lender}, {hotline}",
        "本页面不会要求您提供密码或验证码。{lender} {hotline}",
    )
