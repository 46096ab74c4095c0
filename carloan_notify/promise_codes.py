"""Stable codes of promises to pay, with what they say in English and in Chinese: states, doubts, refusals."""

from collections.abc import Iterable, Mapping

from carloan_notify.codes import Code


class PromiseState(Code):
    """Where a promise stands. Only a promise that is `open` holds collection back."""

    PROPOSED = (
        "proposed",
        "A reply or a page proposes it; nobody has confirmed it yet.",
        "由回复或页面提出，待确认。",
    )
    OPEN = "open", "It is confirmed and its end has not passed.", "已确认，尚未到期。"
    KEPT = "kept", "What was promised was paid in time.", "已按时履行。"
    PARTLY_KEPT = (
        "partly_kept",
        "Something was paid in time, but less than the threshold.",
        "按时还款但未达到约定比例。",
    )
    BROKEN = "broken", "Nothing was paid in time.", "到期未还款。"
    UNPROVEN = (
        "unproven",
        "Its end has passed, and no table shows whether it was paid: a clerk has to look.",
        "已到期，但没有数据能说明是否已还款，须人工核对。",
    )
    REJECTED = "rejected", "A clerk did not accept it.", "未被接受。"
    WITHDRAWN = "withdrawn", "It was confirmed and taken back later.", "确认后已撤回。"


class PromiseDoubt(Code):
    """Why only a clerk may confirm what a text promises. What is missing is given with the confirmation."""

    DATE_MISSING = "date_missing", "It names no day.", "未说明日期。"
    DATE_UNCLEAR = "date_unclear", "It names a time that may be several days.", "所说时间可能指多个日子。"
    DATE_IMPOSSIBLE = (
        "date_impossible",
        "It names a day that its month does not have.",
        "所说日期在当月不存在。",
    )
    DATE_PAST = "date_past", "It names a day that is over.", "所说日期已过。"
    AMOUNT_UNCLEAR = (
        "amount_unclear",
        "It names a part, several amounts, or a figure that may be no amount.",
        "只说了部分、说了多个金额，或数字未必是金额。",
    )
    CURRENCY_OTHER = (
        "currency_other",
        "It names another currency than the loan's.",
        "所说币种与贷款币种不同。",
    )
    QUESTION = "question", "It asks whether that day would do.", "是在询问可否，不是承诺。"
    CONDITIONAL = "conditional", "It depends on something.", "附有条件。"
    NOT_SURE = "not_sure", "It is said with reserve.", "语气不确定。"


class PromiseRefusal(Code):
    """Why a proposal is not confirmed, as the clerk or the rule is told; `{most}` is the limit."""

    NO_DATE = (
        "no_date",
        "It names no day: give one with --on, or reject it.",
        "未说明日期：请用 --on 指定，或拒绝该提议。",
    )
    NO_LOAN = (
        "no_loan",
        "It is not known which loan it is about: give one with --loan, or reject it.",
        "不清楚是哪笔贷款：请用 --loan 指定，或拒绝该提议。",
    )
    NO_AMOUNT = (
        "no_amount",
        "Its sum is not known: give one with --amount or --everything, or reject it.",
        "金额不明：请用 --amount 或 --everything 指定，或拒绝该提议。",
    )
    OVER = "over", "The day that it names is over: reject it.", "所说日期已过：请拒绝该提议。"
    TOO_FAR = (
        "too_far",
        "The day is more than {most} days ahead (promises.max_days_ahead).",
        "日期超出 {most} 天（promises.max_days_ahead）。",
    )
    TOO_MANY_IN_STAGE = (
        "too_many_in_stage",
        "The loan has {most} promises in this stage already (promises.most_per_stage).",
        "该贷款在此逾期阶段已有 {most} 个承诺（promises.most_per_stage）。",
    )
    TOO_MANY = (
        "too_many",
        "The loan has {most} promises of the last year already (promises.most_per_loan).",
        "该贷款近一年已有 {most} 个承诺（promises.most_per_loan）。",
    )
    NOT_ACTIVE = "not_active", "The loan is not active.", "贷款不在还款中。"
    NOTHING_OWED = "nothing_owed", "Nothing is owed that could be promised.", "没有可承诺的欠款。"


class PromiseWord(Code):
    """Words of tables about promises, for people. Keys of JSON and CSV stay as they are."""

    PROMISES = "promises", "promises", "还款承诺"
    PROMISE_ID = "promise_id", "promise_id", "承诺编号"
    LOAN_ID = "loan_id", "loan_id", "贷款编号"
    MADE_ON = "made_on", "made_on", "承诺日"
    PAY_ON = "pay_on", "pay_on", "承诺还款日"
    ENDS_ON = "ends_on", "ends_on", "宽限截止日"
    AMOUNT = "amount", "amount", "承诺金额"
    PAID = "paid", "paid", "已还金额"
    SOURCE = "source", "source", "来源"
    DOUBTS = "doubts", "doubts", "疑点"
    STATE = "state", "state", "状态"
    ALL = "all", "all", "全部欠款"
    PROPOSED = "proposed", "proposed", "待确认"
    OPEN = "open", "open", "待履行"
    KEPT = "kept", "kept", "已履行"
    PARTLY_KEPT = "partly_kept", "partly_kept", "部分履行"
    BROKEN = "broken", "broken", "未履行"
    UNPROVEN = "unproven", "unproven", "无法证明"
    REJECTED = "rejected", "rejected", "已拒绝"
    WITHDRAWN = "withdrawn", "withdrawn", "已撤回"
    REPLY = "reply", "reply", "回复"
    PAGE = "page", "page", "页面"
    CLERK = "clerk", "clerk", "人工"
    FILE = "file", "file", "文件"


def promise_word(text: str, language: str) -> str:
    """A word of a table about promises in the reader's language; what is none of them stays as it is."""
    return PromiseWord(text).sentence(language) if text in set(PromiseWord) else text


def promise_lines(rows: Iterable[Mapping[str, str]], language: str) -> list[dict[str, str]]:
    """Rows of a table about promises in the reader's language."""
    return [
        {promise_word(name, language): promise_word(cell, language) for name, cell in row.items()}
        for row in rows
    ]
