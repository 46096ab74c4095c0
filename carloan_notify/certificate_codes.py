"""Codes of the settlement certificate: what it says, why there is none, what a check found, what a night tells."""

from typing import Final

from carloan_notify.codes import Code


class Fact(Code):
    """What a certificate says, each with its label; the order is that of the document."""

    NUMBER = "number", "Certificate number", "证明编号"
    LENDER = "lender", "Lender", "贷款机构"
    ADDRESS = "address", "Lender's address", "机构地址"
    BORROWER = "borrower", "Borrower", "借款人"
    ID_NUMBER = "id_number", "ID number", "证件号码"
    CONTRACT = "contract", "Contract number", "合同编号"
    PLATE = "plate", "Number plate", "车牌号"
    VIN = "vin", "Vehicle identification number", "车辆识别代号"
    AMOUNT = "amount", "Amount of the loan", "贷款金额"
    DISBURSED_ON = "disbursed_on", "Disbursed on", "放款日期"
    SETTLED_ON = "settled_on", "Settled on", "结清日期"
    ISSUED_ON = "issued_on", "Issued on", "出具日期"
    CODE = "code", "Verification code", "验证码"
    COPY = "copy", "Duplicate", "补发"


class Refusal(Code):
    """Why a loan gets no certificate. Whatever is in doubt is refused."""

    NOT_SETTLED = (
        "not_settled",
        "The tables do not say that the loan is settled.",
        "数据表显示该贷款尚未结清。",
    )
    STILL_OWED = (
        "still_owed",
        "The loan's status says settled, but its row still tells of money due; correct the export.",
        "贷款状态为已结清，但同一行仍列有应还金额；请更正导出数据。",
    )
    TAKEN_BACK = (
        "taken_back",
        "The loan's last payment was taken back; correct its status or add the payment that settled it.",
        "该贷款最后一笔还款已被冲回；请更正贷款状态，或补充结清款项的还款记录。",
    )
    INCOMPLETE = (
        "incomplete",
        "A row of this loan or person was rejected (see the rejects file), so what is known of it may be wrong.",
        "该贷款或联系人有数据行被拒收（见拒收文件），现有信息可能有误。",
    )
    DISPUTED = (
        "disputed",
        "A dispute about this loan is open; close it first.",
        "该贷款存在未了结的争议；请先了结争议。",
    )
    NO_DATE = (
        "no_date",
        "It is not known when the loan was settled; map payments, or an event loan_settled with its day.",
        "不知道结清日期；请提供还款表，或提供带日期的 loan_settled 事件。",
    )
    NOT_YET = (
        "not_yet",
        "Only payments say that it is settled, and they could still come back: certificates.wait_days are not over.",
        "仅由还款记录显示已结清，款项仍可能被退回：尚未满 certificates.wait_days 天。",
    )
    NO_NAME = (
        "no_name",
        "The borrower's name is missing; add it to the export.",
        "缺少借款人姓名；请在导出数据中补充。",
    )
    NO_AMOUNT = (
        "no_amount",
        "The amount of the loan is missing; map its column (principal).",
        "缺少贷款金额；请对应其列（principal）。",
    )
    NO_DISBURSAL = (
        "no_disbursal",
        "The day of disbursement is missing or after that of the settlement; correct disbursed_on.",
        "缺少放款日期，或放款日期晚于结清日期；请更正 disbursed_on。",
    )


class Check(Code):
    """What a check of a certificate found; only the first says that it holds."""

    VALID = "valid", "It is as it was issued, and it is valid.", "与出具时一致，且有效。"
    VOID = "void", "It was issued, but it is void.", "曾经出具，但已作废。"
    CHANGED = (
        "changed",
        "It was changed: it is not, byte for byte, what was issued under this number.",
        "内容已被改动：与该编号出具的文件不一致。",
    )
    MISTYPED = (
        "mistyped",
        "The check character does not fit: a character is wrong, missing or in the wrong place.",
        "校验码不符：有字符输错、遗漏或错位。",
    )
    UNKNOWN = "unknown", "The ledger knows no such certificate.", "台账中没有这份证明。"


class CheckLine(Code):
    """Lines of a check beside the facts."""

    VOID_SINCE = "void_since", "Void since", "作废时间"
    DIFFERS = "differs", "Seems to be changed", "疑似被改动"


class CertificateFinding(Code):
    """What a night has to tell of certificates."""

    WITHHELD = (
        "certificate_withheld",
        "A loan settled lately gets no certificate.",
        "近期结清的贷款未出具结清证明。",
    )
    VOIDED = (
        "certificate_voided",
        "A certificate is void: its loan is open again.",
        "贷款重新变为未结清，其结清证明已作废。",
    )
    DOUBTED = (
        "certificate_doubted",
        "A loan with a valid certificate is no longer surely settled; look at it, and revoke it if it is not.",
        "已出具有效结清证明的贷款目前无法确认已结清；请核实，如未结清请作废该证明。",
    )
    LATER = (
        "certificate_later",
        "More loans were settled than one night makes certificates for (certificates.per_night); the others follow.",
        "当晚应出具的证明超过 certificates.per_night 的上限，其余将在之后的夜间批次出具。",
    )
    FAILED = (
        "certificate_failed",
        "A certificate could not be made; the night went on without it.",
        "结清证明生成失败；当晚批次照常继续。",
    )


FOR_A_PERSON: Final = (CertificateFinding.VOIDED, CertificateFinding.DOUBTED, CertificateFinding.FAILED)
"""What a night names the loans of in its report."""


class VoidReason(Code):
    """Why a certificate is void."""

    OPEN_AGAIN = "open_again", "The loan is no longer settled.", "该贷款已不再是结清状态。"
    REVOKED = "revoked", "It was revoked by hand.", "已人工作废。"
