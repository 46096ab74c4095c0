"""The ledger's tables (SQLAlchemy Core). Instants are `instants.to_text`, dates ISO text.

`migrations/versions` makes them; a test compares both. Personal data stands only in the `_sealed` columns.
"""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()


def _text(name: str, *, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default=default)


def _optional(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, default=0)


META: Final = sa.Table("meta", METADATA, sa.Column("name", sa.Text, primary_key=True), _text("value"))

RUNS: Final = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    _text("kind"),
    _text("as_of"),
    _text("status"),
    _text("started_at"),
    _optional("finished_at"),
    _text("sources"),  # JSON
    _text("counts"),  # JSON
    _text("facts"),  # JSON of records.NightFacts, "" when the night did not come that far
    sa.Index("ix_runs_started", "started_at"),
)


def _numbered(name: str) -> sa.Column[int]:
    """A row's number, the primary key: SQLite keeps it for nothing, and orders the rows by it."""
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _number_of(table: str, name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, sa.ForeignKey(f"{table}.{name}"), nullable=False)


# What was decided about each notice. Thousands of a night share what stands in `rulings`.

RULINGS: Final = sa.Table(
    "rulings",
    METADATA,
    _numbered("ruling_no"),
    _text("run_id"),
    _text("notice"),
    _text("channel"),
    _text("role"),
    _text("message_class"),
    _text("decision"),
    _text("reason"),
    _text("presets"),  # of law, that bind the person: a comma list
    _optional("not_before"),
    _optional("expires_at"),
    sa.Index("ix_rulings_run", "run_id"),
)

NOTICES: Final = sa.Table(
    "notices",
    METADATA,
    _numbered("notice_no"),
    _number_of("rulings", "ruling_no"),
    _text("loan_id"),
    _text("customer_ref"),
    _count("installment_no"),
    _optional("due_on"),
    _optional("original_due_on"),
    _count("amount_minor"),
    _count("days_past_due"),
    _text("idempotency_key"),
    _text("merged_into"),
    sa.Index("ix_notices_loan", "loan_id"),
    sa.Index("ix_notices_ruling", "ruling_no"),
)

# Every wording that left, in the order of use: a template that is changed back has a further row.

TEMPLATES: Final = sa.Table(
    "templates",
    METADATA,
    sa.Column("template", sa.Text, primary_key=True),  # its path in the folder of templates
    sa.Column("turn", sa.BigInteger, primary_key=True, autoincrement=False),  # 1 for its first wording
    _text("version"),
    _text("language"),
    _text("channel"),
    _text("sources"),  # JSON: its own file and the shared ones, by name
    _text("first_run"),
    _text("first_used_at"),
    _text("last_run"),
    _text("last_used_at"),
    sa.Index("ix_templates_version", "template", "version"),
)

# A message is three rows. `lots`: what thousands of a night have in common. `messages`: what happens to it, all
# that sending writes. `contents`: whom and what it tells, sealed, not touched while it is sent.

LOTS: Final = sa.Table(
    "lots",
    METADATA,
    _numbered("lot_no"),
    _text("run_id"),
    _text("notice"),
    _text("role"),
    _text("message_class"),
    _text("language"),
    _text("template"),
    _text("template_version"),
    _text("encoding"),
    sa.Column("until_paid", sa.Boolean, nullable=False),
    _text("not_before"),
    _text("expires_at"),
    _text("queued_at"),
    sa.Index("ix_lots_run", "run_id"),
    sa.Index("ix_lots_end", "expires_at"),
)

MESSAGES: Final = sa.Table(
    "messages",
    METADATA,
    _numbered("message_no"),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    _number_of("lots", "lot_no"),
    _text("channel"),
    _text("state"),
    _optional("due_at"),  # when it may be claimed; NULL unless queued or retryable
    _text("owner"),
    _optional("lease_until"),  # NULL unless claimed or sending
    _count("attempts"),
    _text("provider"),
    _text("provider_ref"),
    _text("code"),
    _text("detail"),
    _optional("sent_at"),
    _optional("answered_at"),
    _optional("settled_at"),
    _text("operator"),
    _text("reason"),
    sa.CheckConstraint("(due_at IS NULL) = (state NOT IN ('queued', 'retryable'))", name="ck_messages_due"),
    sa.CheckConstraint(
        "(lease_until IS NULL) = (state NOT IN ('claimed', 'sending'))", name="ck_messages_lease"
    ),
    sa.Index("ix_messages_lot", "lot_no"),
)
_OPEN: Final = ("queued", "retryable", "claimed", "sending", "unknown")


def is_open(message: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a message (`MESSAGES` or `WHOLE`) has not come to an end, in the words of the index of those.

    A database takes that index only where the statement says the same; what it is for stands beside this.
    """
    return message.c.state.in_([sa.literal_column(f"'{state}'", sa.Text) for state in _OPEN])


_DUE: Final = MESSAGES.c.due_at.is_not(None)
_NAMED: Final = MESSAGES.c.provider_ref != ""
sa.Index(
    "ix_messages_due",
    MESSAGES.c.channel,
    MESSAGES.c.due_at,
    MESSAGES.c.message_no,
    sqlite_where=_DUE,
    postgresql_where=_DUE,
)
sa.Index(
    "ix_messages_open",
    MESSAGES.c.state,
    MESSAGES.c.sent_at,
    sqlite_where=is_open(MESSAGES),
    postgresql_where=is_open(MESSAGES),
)
sa.Index("ix_messages_reference", MESSAGES.c.provider_ref, sqlite_where=_NAMED, postgresql_where=_NAMED)

CONTENTS: Final = sa.Table(
    "contents",
    METADATA,
    sa.Column(
        "message_no",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        sa.ForeignKey("messages.message_no"),
        primary_key=True,
        autoincrement=False,
    ),
    _text("customer_ref"),
    _text("phone_hash"),
    _optional("due_on"),
    _count("amount_minor"),
    _count("units"),
    _count("segments"),
    _text("resend_of"),
    sa.Column("content_sealed", sa.LargeBinary, nullable=False),  # `contents.Content`
    sa.Index("ix_contents_customer", "customer_ref"),
    sa.Index("ix_contents_phone", "phone_hash"),
)

WHOLE: Final = (
    sa.select(
        *(column for column in MESSAGES.c if column.name != "lot_no"),
        *(column for column in LOTS.c),
        *(column for column in CONTENTS.c if column.name != "message_no"),
        sa.func.coalesce(MESSAGES.c.sent_at, LOTS.c.not_before).label("contact_at"),
    )
    .select_from(
        MESSAGES.join(LOTS, LOTS.c.lot_no == MESSAGES.c.lot_no).join(
            CONTENTS, CONTENTS.c.message_no == MESSAGES.c.message_no
        )
    )
    .subquery("whole")
)
"""Messages with all that is known of them, for reading. `contact_at` is when the person is or was last reached."""

MESSAGE_KEYS: Final = sa.Table(
    "message_keys",
    METADATA,
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    _number_of("messages", "message_no"),
    _text("loan_id"),
    _count("installment_no"),
    _optional("original_due_on"),
    sa.Index("ix_message_keys_message", "message_no"),
    sa.Index("ix_message_keys_loan", "loan_id"),
)


def of_one_installment() -> tuple[sa.FromClause, sa.FromClause, sa.FromClause]:
    """A message, another one (both as `WHOLE`), and their join: they tell the same loan and original due date."""
    mine, its, other, its_own = WHOLE.alias(), MESSAGE_KEYS.alias(), WHOLE.alias(), MESSAGE_KEYS.alias()
    same = sa.and_(
        its_own.c.loan_id == its.c.loan_id,
        its_own.c.original_due_on.is_not_distinct_from(its.c.original_due_on),
    )
    joined = (
        mine.join(its, its.c.message_no == mine.c.message_no)
        .join(its_own, same)
        .join(other, other.c.message_no == its_own.c.message_no)
    )
    return mine, other, joined


RECEIPTS: Final = sa.Table(
    "receipts",
    METADATA,
    sa.Column(
        "receipt_id", sa.Text, primary_key=True
    ),  # hash of its content: the same receipt twice is one row
    _text("provider"),
    _text("provider_ref"),
    _text("message_id"),  # "" until it is known whose it is
    sa.Column("delivered", sa.Boolean, nullable=False),
    _text("code"),
    _text("detail"),
    _text("occurred_at"),
    _text("received_at"),
    _text("phone_hash"),  # tells the messages of a batch apart that share one reference; "" when not told
    sa.Column("blocked", sa.Boolean, nullable=False, default=False),
    sa.Column("dead", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_receipts_reference", "provider_ref"),
    sa.Index("ix_receipts_message", "message_id"),
)

REPLIES: Final = sa.Table(
    "replies",
    METADATA,
    sa.Column("reply_id", sa.Text, primary_key=True),  # hash of its content: the same reply twice is one row
    _text("provider"),
    _text("phone_hash"),
    _text("customer_ref"),  # whom the number belongs to as far as our messages tell, else ""
    _text("message_id"),  # the message it answers: the provider's word, else the latest one to that number
    _text("kind"),  # what the lexicon takes it for
    _text("rule"),  # the lexicon's rule that said so: the reason
    _text("action"),  # what was done at once
    _text("state"),  # open: on the work list; closed: done by a person; "" when nothing is left to do
    _text("received_at"),
    _text("taken_at"),
    _optional("closed_at"),
    _text("operator"),
    _text("note"),
    sa.Column("phone_sealed", sa.LargeBinary, nullable=False),
    sa.Column("text_sealed", sa.LargeBinary, nullable=False),
    sa.Index("ix_replies_state", "state", "received_at"),
    sa.Index("ix_replies_customer", "customer_ref"),
    sa.Index("ix_replies_phone", "phone_hash"),
    sa.Index("ix_replies_message", "message_id"),
)

UNREAD: Final = sa.Table(
    "unread",
    METADATA,
    sa.Column("unread_id", sa.Text, primary_key=True),  # hash of its content
    _text("provider"),
    _text("taken_at"),
    _text("problems"),
    _optional("done_at"),  # when a person had looked at it; NULL until then
    sa.Column("body_sealed", sa.LargeBinary, nullable=False),  # as it came: nothing is lost
)

SUPPRESSIONS: Final = sa.Table(
    "suppressions",
    METADATA,
    sa.Column("suppression_no", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _text("phone_hash"),  # either this
    _text("customer_ref"),  # or this
    _text("message_class"),  # "" for every class
    _text("source"),
    _text("reason"),
    _text("added_at"),
    _optional("removed_at"),
    sa.Index("ix_suppressions_phone", "phone_hash"),
    sa.Index("ix_suppressions_customer", "customer_ref"),
)

PROMISES: Final = sa.Table(
    "promises",
    METADATA,
    sa.Column("promise_id", sa.Text, primary_key=True),  # keyed hash of what was said: said twice, it is one
    _text("loan_id"),  # "" while nobody knows which of several it is about
    _text("customer_ref"),
    _text("state"),  # promise_codes.PromiseState
    _text("source"),  # reply, page, clerk or file
    _text("source_ref"),  # the reply; of a file its name
    _text("made_on"),  # the date on which it was made
    _optional("pay_on"),  # NULL while no day is known
    _optional("ends_on"),  # pay_on and the days of grace; NULL until it is confirmed
    _count("amount_minor"),  # 0 while it is not known
    sa.Column("everything", sa.Boolean, nullable=False),  # it was said of all that is owed
    _text("doubts"),  # comma list of promise_codes.PromiseDoubt
    _count("threshold_percent"),
    _text("bucket"),  # the stage in which it was confirmed
    _count("paid_before_minor"),
    _count("overdue_before_minor"),
    _count("paid_minor"),  # what it had received when it was last decided
    _optional("decided_on"),  # the business date of that
    _text("taken_at"),
    _optional("confirmed_at"),
    _optional("ended_at"),  # when it was rejected or withdrawn
    _text("operator"),
    _text("note"),
    sa.Index("ix_promises_state", "state", "ends_on"),
    sa.Index("ix_promises_loan", "loan_id"),
    sa.Index("ix_promises_customer", "customer_ref"),
)

HOLDS: Final = sa.Table(
    "holds",
    METADATA,
    sa.Column("hold_no", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _text("phone_hash"),  # either this
    _text("customer_ref"),  # or this
    _text("loan_id"),  # or this
    _text("message_class"),  # "" for every class that the kind keeps back
    _text("kind"),  # hold_codes.HoldReason
    _text("source"),  # who set it: an operator, reply:KIND
    _text("set_at"),
    _optional("until"),  # its last day; NULL where it has no end
    _optional("ended_at"),
    _text("ended_by"),  # "" where its last day was over
    sa.Index("ix_holds_phone", "phone_hash"),
    sa.Index("ix_holds_customer", "customer_ref"),
    sa.Index("ix_holds_loan", "loan_id"),
)

NUMBERS: Final = sa.Table(
    "numbers",
    METADATA,
    sa.Column("phone_hash", sa.Text, primary_key=True),
    _text("status"),  # hold_codes.NumberStatus
    _text("status_on"),  # the day of which that was true
    _count("failures"),  # days on which the network said that there is no such number, since it last answered
    _text("failed_on"),  # the last of them, "" for none
    _text("source"),  # who said so last: an operator, a file's name, reply:KIND, provider:NAME
    _text("changed_at"),
    sa.Column("phone_sealed", sa.LargeBinary, nullable=False),
)

AUDIT: Final = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("at"),
    _text("kind"),
    _text("subject"),
    _text("data"),  # canonical JSON
    _text("prev"),
    _text("hash"),
)

AUDIT_FACTS: Final = sa.Table(
    "audit_facts",
    METADATA,
    sa.Column(
        "seq", sa.BigInteger, primary_key=True, autoincrement=False
    ),  # of the audit row that names its root
    _count("leaves"),
    sa.Column("facts", sa.LargeBinary, nullable=False),  # `merkle.packed`: one line of facts for each leaf
    sa.Column("marks", sa.LargeBinary, nullable=False),  # the first bytes of each leaf's hash
)

AUDIT_HEAD: Final = sa.Table(
    "audit_head",
    METADATA,
    sa.Column(
        "only", sa.Integer, primary_key=True
    ),  # always 1: its row lock puts all writers of the chain in line
    _count("seq"),
    _text("hash"),
)

PORTFOLIO: Final = sa.Table(
    "portfolio",
    METADATA,
    sa.Column("part", sa.Text, primary_key=True),
    _text("run_id"),
    _text("as_of"),
    _count("loans"),
    sa.Column("body_sealed", sa.LargeBinary, nullable=False),  # notices.fingerprints, a part of the loans
)

DIGESTS: Final = sa.Table(
    "digests",
    METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("run_id"),
    _text("body"),  # the signed file, byte for byte
)

# Settlement certificates: a row each that is never deleted, so that numbers stay without a gap and a paper can be
# checked long after what it says was forgotten; and the hash of every file that was made of it.

CERTIFICATES: Final = sa.Table(
    "certificates",
    METADATA,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("year", sa.BigInteger, nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),  # from 1 in each year, without gaps
    _text("loan_id"),
    sa.Column(
        "issue", sa.BigInteger, nullable=False
    ),  # which certificate of this loan, from 1: others are void
    _text("customer_ref"),
    _text("code_hash"),  # of the verification code, which opens the file at the lender's page
    _text("state"),  # valid | void
    _text("issued_at"),
    _count("copies"),  # duplicates made since, 0 for the original alone
    _text("facts_hash"),  # keyed: what the audit vouches for
    _optional("void_at"),
    _text("void_reason"),
    sa.Column("facts_sealed", sa.LargeBinary, nullable=False),  # JSON of what it says; empty once erased
    sa.UniqueConstraint("year", "serial", name="uq_certificates_serial"),
    sa.UniqueConstraint("loan_id", "issue", name="uq_certificates_issue"),
    sa.UniqueConstraint("code_hash", name="uq_certificates_code"),
    sa.Index("ix_certificates_customer", "customer_ref"),
)

CERTIFICATE_FILES: Final = sa.Table(
    "certificate_files",
    METADATA,
    sa.Column("sha256", sa.Text, primary_key=True),  # of the whole file
    sa.Column("number", sa.Text, sa.ForeignKey("certificates.number"), nullable=False),
    _count("copy_no"),  # 0: the original
    _text("form"),  # html | pdf
    _text("made_at"),
    sa.Index("ix_certificate_files_number", "number"),
)
