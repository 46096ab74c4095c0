"""Codes of holds and of telephone numbers: why messages wait, what happens at the end, what is known of a number."""

from carloan_notify.codes import Code


class HoldReason(Code):
    """Why messages wait, as a table, a clerk or a reply says it: the kind of a hold."""

    DISPUTE = (
        "dispute",
        "A dispute is open: collection waits until it is closed.",
        "存在争议：催收类消息暂缓。",
    )
    HARDSHIP = "hardship", "The person cannot pay for now.", "还款困难。"
    DECEASED = "deceased", "The person has died.", "本人已去世。"
    BANKRUPTCY = "bankruptcy", "The person is bankrupt, or files to be.", "本人已破产或已申请破产。"
    LAWYER = "lawyer", "A lawyer speaks for the person.", "本人已委托律师。"
    BEREAVEMENT = "bereavement", "Somebody near the person has died.", "亲属去世。"
    DISASTER = "disaster", "The person lives in a disaster area.", "本人身处灾区。"
    PROMISE = "promise", "The person has promised to pay by a date.", "本人已承诺在某日前还款。"
    PAUSE = "pause", "Messages pause until a date.", "消息暂停至指定日期。"


class NumberStatus(Code):
    """What is known of a telephone number."""

    ACTIVE = "active", "In use, by the person whom it is known for.", "正常使用。"
    ABSENT = (
        "absent",
        "Switched off or out of reach for now: it is still tried.",
        "关机或暂时无法接通：仍会尝试发送。",
    )
    INVALID = "invalid", "There is no such number: nothing goes to it.", "空号：不再发送。"
    PORTED = "ported", "Moved to another carrier: it is told as before.", "已携号转网：照常发送。"
    REASSIGNED = "reassigned", "It belongs to somebody else: nothing goes to it.", "号码已属他人：不再发送。"
    LANDLINE = "landline", "A landline: calls only.", "固定电话：只能拨打语音。"
    QUARANTINED = (
        "quarantined",
        "Somebody took it out of use until it is verified: nothing goes to it.",
        "已隔离，核实之前不再发送。",
    )


class Then(Code):
    """What happens when the last day of a hold is over."""

    RESUMES = (
        "resumes",
        "The ladder goes on by itself from where the loan stands.",
        "按届时贷款状况自动恢复通知。",
    )
    REVIEW = "review", "It goes on holding until a person looks.", "继续暂缓，须人工处理。"
    STAYS = "stays", "It has no last day: only a person ends it.", "无截止日，只能由人工结束。"


class Whom(Code):
    """Of which parties of a loan a hold on its loan or its customer keeps messages back."""

    BORROWER = "borrower", "The borrower's messages alone.", "仅借款人的消息。"
    EVERYONE = "everyone", "Everybody's messages about the loan.", "该贷款所有当事人的消息。"


class HoldSubject(Code):
    """What a hold is on."""

    LOAN = "loan", "The loan.", "该笔贷款。"
    CUSTOMER = "customer", "Every loan of the customer.", "该客户的所有贷款。"
    PHONE = "phone", "The number, whoever has it.", "该号码（不论属于谁）。"
