"""Codes of what is wrong in a table: of a cell or row that cannot be used, and of what rows say of a loan."""

from carloan_notify.codes import Code


class CellProblem(Code):
    """Why a row or a cell of an input table cannot be used: codes of the rejects file, each with its cure."""

    MISSING_VALUE = (
        "missing_value",
        "fill the cell, or give the column a default in the table's `defaults`",
        "请填写该单元格，或在该表的 `defaults` 中给出默认值",
    )
    SCIENTIFIC_NOTATION = (
        "scientific_notation",
        "digits are lost: format the column as text before exporting",
        "数字已丢失位数：导出前请将该列设为文本格式",
    )
    BAD_AMOUNT = (
        "bad_amount",
        "write an amount such as 12345.60 or 12,345.60 in the lender's currency",
        "请写成 12345.60 或 12,345.60 这样的金额，币种为贷款机构的币种",
    )
    AMOUNT_PRECISION = (
        "amount_precision",
        "more decimals than the currency has: round the amount in the export",
        "小数位多于该币种的小数位：请在导出时取整",
    )
    NEGATIVE_AMOUNT = (
        "negative_amount",
        "must not be negative: correct the sign in the export",
        "不得为负：请在导出数据中更正正负号",
    )
    BAD_NUMBER = "bad_number", "write a whole number", "请填写整数"
    OUT_OF_RANGE = "out_of_range", "correct the value in the export", "请在导出数据中更正该值"
    BAD_RATE = (
        "bad_rate",
        "write the annual rate as a fraction (0.12) or in per cent with its sign (12%)",
        "年利率请写成小数（0.12）或带百分号（12%）",
    )
    RATE_AMBIGUOUS = (
        "rate_ambiguous",
        "above 1 and without %: write 0.12 or 12% for twelve per cent a year",
        "大于 1 且没有百分号：年利率百分之十二请写成 0.12 或 12%",
    )
    RATE_OUT_OF_RANGE = (
        "rate_out_of_range",
        "an annual rate lies between 0% and 1200%",
        "年利率应在 0% 至 1200% 之间",
    )
    BAD_DATE = (
        "bad_date",
        "write the date as 2026-01-05, or set the table's `date_format`",
        "日期请写成 2026-01-05，或设置该表的 `date_format`",
    )
    IMPOSSIBLE_DATE = (
        "impossible_date",
        "no such day in the calendar: correct the date in the export",
        "日历上没有这一天：请在导出数据中更正日期",
    )
    EXCEL_SERIAL_DATE = (
        "excel_serial_date",
        "looks like an Excel day number: format the column as a date before exporting",
        "像是 Excel 的日期序号：导出前请将该列设为日期格式",
    )
    DATE_OUT_OF_RANGE = (
        "date_out_of_range",
        "the year must lie between 1970 and 2199",
        "年份应在 1970 至 2199 之间",
    )
    UNKNOWN_VALUE = (
        "unknown_value",
        "map the value in the table's `values`",
        "请在该表的 `values` 中为该值设置对应",
    )
    BAD_FLAG = (
        "bad_flag",
        "write 1, 0, yes, no, true, false, 是 or 否",
        "请写 1、0、yes、no、true、false、是 或 否",
    )
    BAD_LANGUAGE = "bad_language", "write a language tag such as zh-CN or en", "请写语言标签，如 zh-CN 或 en"
    UNKNOWN_TIMEZONE = (
        "unknown_timezone",
        "write an IANA time zone such as Asia/Shanghai",
        "请写 IANA 时区，如 Asia/Shanghai",
    )
    UNKNOWN_COUNTRY = (
        "unknown_country",
        "write an ISO 3166 code such as CN or US, or the country's name in English or Chinese",
        "请写 ISO 3166 国家代码，如 CN 或 US，或国家的中英文名称",
    )
    BAD_HOURS = "bad_hours", "write preferred hours as 18:00-20:00", "偏好时段请写成 18:00-20:00"
    PHONE_SCIENTIFIC = (
        "phone_scientific",
        "digits are lost: format the phone column as text and export again",
        "数字已丢失位数：请将手机号列设为文本格式后重新导出",
    )
    PHONE_INVALID = (
        "phone_invalid",
        "no such number: correct it with the customer",
        "没有这样的号码：请与客户核对更正",
    )
    PHONE_TOO_LONG = (
        "phone_too_long",
        "too many digits: keep one number in the cell",
        "位数过多：每个单元格只保留一个号码",
    )
    PHONE_TOO_SHORT = (
        "phone_too_short",
        "too few digits: correct it with the customer",
        "位数不足：请与客户核对更正",
    )
    PHONE_UNKNOWN_CHARACTER = (
        "phone_unknown_character",
        "only digits, spaces, + - ( ) may stand in a phone number",
        "手机号中只能有数字、空格和 + - ( )",
    )
    PHONE_NOT_HOME_MOBILE = (
        "phone_not_home_mobile",
        "not a mobile of the lender's country: write a foreign number in full with +, a landline with its area code",
        "不是贷款机构所在国家的手机号：境外号码请以 + 开头完整填写，固定电话请带区号",
    )
    PHONE_UNSUPPORTED_COUNTRY = (
        "phone_unsupported_country",
        "unknown country code: correct the number",
        "无法识别的国家代码：请更正号码",
    )
    DUPLICATE_KEY = (
        "duplicate_key",
        "the same key stands in several rows: export each record once",
        "同一键值出现在多行：每条记录请只导出一次",
    )
    NAME_WITH_LINK = (
        "name_with_link",
        "a name holds no link: correct it with the customer, and see who wrote it",
        "姓名中不应含有链接：请与客户核对更正，并查明由谁填写",
    )
    SPELT_TWICE = (
        "spelt_twice",
        "one identifier in two spellings, such as 20001 and 20001.0: write it in one way, or correct the other",
        "同一编号出现多种写法，如 20001 与 20001.0：请统一写法；若本指不同对象，请更正",
    )
    RAGGED_ROW = (
        "ragged_row",
        "not as many fields as the header: quote fields that hold the delimiter",
        "字段数与表头不一致：含分隔符的字段请加引号",
    )
    BAD_QUOTING = (
        "bad_quoting",
        "a quote does not close: write a quote inside a field as two quotes",
        "引号没有闭合：字段内的引号请写成两个引号",
    )
    LINE_TOO_LONG = (
        "line_too_long",
        "longer than 1 MiB: look for a missing line end",
        "超过 1 MiB：请检查是否缺少换行",
    )
    NUL_BYTE = "nul_byte", "holds NUL bytes: export the file again", "含有 NUL 字节：请重新导出文件"
    BAD_ENCODING = (
        "bad_encoding",
        "holds bytes that are not in the file's encoding: export it again as UTF-8",
        "含有不属于该文件编码的字节：请以 UTF-8 重新导出",
    )


class Finding(Code):
    """What is wrong with a loan, or with what tables say of it."""

    HOLD_RAN_OUT = (
        "hold_ran_out",
        "A hold's last day is over: the ladder goes on from where the loan stands now.",
        "暂缓期限已过：按贷款当前状况继续通知。",
    )
    HOLD_NEEDS_REVIEW = (
        "hold_needs_review",
        "A hold's last day is over, and it goes on holding until a person looks: end it, or add it with a later day.",
        "暂缓期限已过，仍在暂缓，须人工处理：请结束该暂缓，或以新的截止日重新添加。",
    )
    PAYMENT_AHEAD = (
        "payment_ahead",
        "A payment is dated after today.",
        "还款日期晚于今日，该贷款的催收类通知暂缓；请更正日期。",
    )
    LOAN_ID_DUPLICATE = (
        "loan_id_duplicate",
        "The loan number stands in several rows.",
        "贷款编号出现在多行；每笔贷款请只保留一行。",
    )
    STATUS_UNKNOWN = (
        "status_unknown",
        "The status of the loan is not known.",
        "贷款状态无法识别；请更正或设置对应。",
    )
    PRINCIPAL_OUT_OF_RANGE = (
        "principal_out_of_range",
        "The principal is out of range.",
        "本金超出允许范围；请更正导出数据。",
    )
    RATE_OUT_OF_RANGE = (
        "rate_out_of_range",
        "The yearly rate is out of range.",
        "年利率超出允许范围；请核对是否把 12% 导出成了 12。",
    )
    TERM_OUT_OF_RANGE = (
        "term_out_of_range",
        "The number of installments is out of range.",
        "期数超出允许范围；请更正。",
    )
    FIRST_DUE_MISSING = (
        "first_due_missing",
        "The first due date is missing.",
        "缺少首个还款日，无法计算；请导出该字段。",
    )
    FIRST_DUE_BEFORE_DISBURSEMENT = (
        "first_due_before_disbursement",
        "The first due date is not after the disbursement.",
        "首个还款日不晚于放款日；请更正其一。",
    )
    FIRST_DUE_OUT_OF_RANGE = (
        "first_due_out_of_range",
        "The first due date is out of range.",
        "首个还款日超出允许范围；请更正。",
    )
    DUE_DAY_OUT_OF_RANGE = (
        "due_day_out_of_range",
        "The due day is out of range.",
        "每月还款日应为 1 至 31，或留空取首个还款日的日子。",
    )
    REPAYMENT_METHOD_UNKNOWN = (
        "repayment_method_unknown",
        "The repayment method is not known.",
        "还款方式无法识别；请更正。",
    )
    BALLOON_OUT_OF_RANGE = (
        "balloon_out_of_range",
        "The balloon is out of range.",
        "尾款应在 0 与本金之间；请更正。",
    )
    PRINCIPAL_GRACE_TOO_LONG = (
        "principal_grace_too_long",
        "The principal grace leaves no installment that repays.",
        "只还利息的期数过长，没有剩余期数归还本金；请延长期数或缩短宽限。",
    )
    CHANGE_UNKNOWN_LOAN = (
        "change_unknown_loan",
        "A change names a loan that is not there.",
        "变更所指的贷款不存在；请核对贷款编号。",
    )
    CHANGE_TO_SETTLED_LOAN = (
        "change_to_settled_loan",
        "A change names a loan that is not active.",
        "变更所指的贷款不在还款中；请删除该变更。",
    )
    CHANGE_TYPE_UNKNOWN = (
        "change_type_unknown",
        "The type of a change is not known.",
        "变更类型无法识别；请更正。",
    )
    CHANGE_VALUE_INVALID = (
        "change_value_invalid",
        "The value of a change cannot be read.",
        "变更的值无法识别；请更正。",
    )
    CHANGE_DATE_MISSING = "change_date_missing", "A change has no date.", "变更缺少生效日期；请补充。"
    CHANGE_CONTRADICTORY = (
        "change_contradictory",
        "Two changes contradict each other.",
        "两项变更相互矛盾；请只保留一项。",
    )
    CHANGE_UNKNOWN_INSTALLMENT = (
        "change_unknown_installment",
        "A change names an installment that is not there.",
        "变更所指的分期不存在；请更正期数。",
    )
    CHANGE_AFTER_LAST_DUE = (
        "change_after_last_due",
        "A change takes effect after the last due date.",
        "变更生效日之后没有分期到期；请更正日期。",
    )
    CHANGE_BEFORE_DISBURSEMENT = (
        "change_before_disbursement",
        "A change takes effect before the loan begins.",
        "变更生效日早于放款日；请更正日期。",
    )
    CHANGES_OVERLAP = (
        "changes_overlap",
        "A change meets an installment that an earlier one has fixed.",
        "该分期已由更早的提前还款或结清固定；请更正日期。",
    )
    CHANGE_NOT_APPLICABLE = (
        "change_not_applicable",
        "A change does not fit the product.",
        "该变更不适用于此产品的还款方式或频率；请删除。",
    )
    PREPAYMENT_TOO_LARGE = (
        "prepayment_too_large",
        "A prepayment repays the whole loan.",
        "提前还款额等于或超过全部欠款；请改用提前结清。",
    )
    CHANGE_DATE_NOT_AFTER_PREVIOUS = (
        "change_date_not_after_previous",
        "A new due date is not after the installment before.",
        "新的还款日不晚于上一期；请更正。",
    )
    CHANGE_PAUSE_UNREADABLE = "change_pause_unreadable", "A pause cannot be read.", "暂停期无法识别；请更正。"
    PAYMENT_UNKNOWN_LOAN = (
        "payment_unknown_loan",
        "A payment names a loan that is not there.",
        "还款记录所指的贷款不在贷款表中；请核对贷款编号。",
    )
    PAYMENT_WITHOUT_DATE = "payment_without_date", "A payment has no date.", "还款记录缺少日期；请补充。"
    PAYMENT_REVERSAL_UNMATCHED = (
        "payment_reversal_unmatched",
        "A reversal matches no payment.",
        "冲正记录找不到对应的还款；请核对。",
    )
    PAYMENT_AFTER_SETTLEMENT = (
        "payment_after_settlement",
        "A payment came after the settlement.",
        "结清之后仍有还款；请核对。",
    )
    OVERPAYMENT_NOT_APPLIED = (
        "overpayment_not_applied",
        "More was paid than could be applied.",
        "多还的金额未能冲抵；请核对。",
    )
    INSTALLMENTS_MISSING = (
        "installments_missing",
        "The loan has no supplied installments.",
        "该贷款缺少还款计划表中的分期；请补充导出。",
    )
    INSTALLMENT_UNKNOWN_LOAN = (
        "installment_unknown_loan",
        "An installment names a loan that is not there.",
        "分期所指的贷款不存在；请核对贷款编号。",
    )
    INSTALLMENT_AMOUNTS_INVALID = (
        "installment_amounts_invalid",
        "The amounts of an installment do not fit together.",
        "分期各项金额不相符；请更正。",
    )
    RECALCULATION_NOT_APPLIED = (
        "recalculation_not_applied",
        "The rate of a loan with daily interest changes; its interest stays as agreed.",
        "按日计息的贷款利率有变更，利息仍按约定计划计算；请由贷方提供还款计划。",
    )
    INSTALLMENT_ROUNDS_TO_ZERO = (
        "installment_rounds_to_zero",
        "The installment rounds to 0, so that the last one would be the whole loan.",
        "每期应还额四舍五入后为 0，全部贷款将落在最后一期；请核对本金、期数与取整单位。",
    )
    INSTALLMENT_DATES_NOT_ASCENDING = (
        "installment_dates_not_ascending",
        "Due dates do not ascend.",
        "各期还款日未按先后排列；请更正。",
    )
    INSTALLMENT_DUPLICATE = (
        "installment_duplicate",
        "An installment stands twice.",
        "同一分期重复；请只保留一行。",
    )
    INSTALLMENT_NEGATIVE = (
        "installment_negative",
        "An amount of an installment is negative.",
        "分期金额为负；请更正。",
    )
    INSTALLMENT_TOTAL_TOO_SMALL = (
        "installment_total_too_small",
        "The total of an installment is less than its parts.",
        "分期总额小于各项之和；请更正。",
    )
    INSTALLMENT_WITHOUT_DUE_DATE = (
        "installment_without_due_date",
        "An installment has no due date.",
        "分期缺少还款日；请补充。",
    )
    TOTAL_MISMATCH = (
        "total_mismatch",
        "A total differs from the sum of its parts.",
        "总额与各项之和不符；请核对。",
    )
    SNAPSHOT_DAYS_WITHOUT_OVERDUE = (
        "snapshot_days_without_overdue",
        "Days past due without an overdue amount.",
        "有逾期天数但没有逾期金额；请更正。",
    )
    SNAPSHOT_DUE_WITHOUT_DATE = (
        "snapshot_due_without_date",
        "An amount due without a date.",
        "有应还金额但没有还款日；请补充。",
    )
    SNAPSHOT_NEGATIVE = (
        "snapshot_negative",
        "An amount of the snapshot is negative.",
        "快照金额为负；请更正。",
    )
    SNAPSHOT_NEXT_DUE_PAST = (
        "snapshot_next_due_past",
        "The next due date is over.",
        "下一还款日已过；请更正导出数据。",
    )
    SNAPSHOT_OVERDUE_WITHOUT_DAYS = (
        "snapshot_overdue_without_days",
        "An overdue amount without days past due.",
        "有逾期金额但没有逾期天数；请更正。",
    )
    SUPPLIED_SCHEDULE_DIFFERS = (
        "supplied_schedule_differs",
        "The supplied installments differ from the recomputed ones.",
        "所给还款计划与重新计算的不一致；请核对。",
    )
    PAYOFF_NEEDS_SCHEDULE = (
        "payoff_needs_schedule",
        "A payoff needs a schedule.",
        "计算结清金额需要还款计划。",
    )
    STATEMENT_NEEDS_SCHEDULE = (
        "statement_needs_schedule",
        "A statement needs a schedule.",
        "生成对账单需要还款计划。",
    )
    DUE_DAY_IMPOSSIBLE = (
        "due_day_impossible",
        "No due day suits the loan.",
        "没有适合该贷款的还款日；请核对可选日期。",
    )
    EVENT_UNKNOWN_LOAN = (
        "event_unknown_loan",
        "An event names a loan that is not there.",
        "事件所指的贷款不存在；请核对贷款编号。",
    )
    EVENT_TYPE_UNKNOWN = (
        "event_type_unknown",
        "The type of an event is not known.",
        "事件类型无法识别；请设置对应。",
    )
    QUOTE_UNUSABLE = (
        "quote_unusable",
        "A settlement quote has no last day or no amount.",
        "提前结清报价缺少有效期或金额；请补充。",
    )
    EVENT_WITHOUT_ID = "event_without_id", "An event has no number of its own.", "事件缺少编号；请补充。"
    WHERE_VALUE_UNKNOWN = (
        "where_value_unknown",
        "A rule's `where` names a value that no loan and no person has.",
        "规则的 where 条件写有任何贷款和联系人都没有的值；请核对拼写。",
    )
    NULL_WORD = (
        "null_word",
        "Words such as nan, NULL or None stand for blank cells, and are read as such.",
        "单元格内容为 nan、NULL、None 等空值字样，按空白处理；请导出为空白。",
    )
    ROW_REPEATED = (
        "row_repeated",
        "Rows say the same as an earlier row, and are read once.",
        "存在与前面完全相同的行，按一行处理；每条记录请只导出一次。",
    )
    COLUMN_IGNORED = "column_ignored", "A column is not used.", "该列未被使用。"
    CALENDAR_ENDS = (
        "calendar_ends",
        "A calendar in use ends with this year.",
        "所用日历缺少明年的节假日；请升级节假日库或自行列出。",
    )


class LawFinding(Code):
    """What `policy lint` says of a preset and the lender's own configuration; values stand in braces."""

    KINDS_LEFT_OUT = (
        "kinds_left_out",
        "`where` tells many kinds of loans apart: the ladders of {walked} were walked, those of {left} were not.",
        "where 条件区分的贷款种类过多：已检查 {walked} 种的通知阶梯，另有 {left} 种未检查。",
    )
    STAGE_SUPPRESSED = (
        "stage_suppressed",
        "Never told{when}: {why}",
        "一律不发送{when}：{why}",
    )
    STAGE_DELAYED = (
        "stage_delayed",
        "Always {days} day(s) late{when}: {why}",
        "一律延后 {days} 天{when}：{why}",
    )
    STAGE_SOMETIMES = (
        "stage_sometimes",
        "Late or not told on some days, such as {day}{when}: {why}",
        "在部分日期延后或不发送，例如 {day}{when}：{why}",
    )
    CLOSED_DAY = "closed_day", "its own day has no hours.", "当日没有允许的时段。"
    HOURS_LOOSER = (
        "hours_looser",
        "{kind}: policy.hours say {own} ({day}); the preset binds, {bound}.",
        "{kind}：policy.hours 为 {own}（{day}）；以法规预设为准，{bound}。",
    )
    CAP_LOOSER = (
        "cap_looser",
        "{kind}: policy.caps allow more than {limit} in {days} day(s) per {per}; the preset binds.",
        "{kind}：policy.caps 允许每 {per} {days} 天超过 {limit} 次；以法规预设为准。",
    )
    OPT_OUT_TEXT_MISSING = (
        "opt_out_text_missing",
        "The text tells no way to opt out (one of: {words}); add it to messages.reply_hint or to the template.",
        "文案未告知退订方式（须含其一：{words}）；请加入 messages.reply_hint 或模板。",
    )
    REVOCATION_MISSED = (
        "revocation_missed",
        "A reply {word!r} is not taken for an opt-out; add it to inbound.lexicon_file.",
        "回复 {word!r} 未被视为退订；请加入 inbound.lexicon_file。",
    )
