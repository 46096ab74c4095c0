"""What comes back: replies, records that could not be read, receipts told apart by number."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables, two columns to receipts, and a way from a number to its messages."""
    op.drop_index("ix_messages_lease", table_name="messages")  # the few that are leased are found by state
    op.create_index("ix_messages_phone", "messages", ["phone_hash"], unique=False)
    op.add_column("receipts", sa.Column("phone_hash", sa.Text(), nullable=False, server_default=""))
    op.add_column("receipts", sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "replies",
        sa.Column("reply_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("phone_hash", sa.Text(), nullable=False),
        sa.Column("customer_ref", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("reply_id"),
    )
    op.create_index("ix_replies_state", "replies", ["state", "received_at"], unique=False)
    op.create_index("ix_replies_customer", "replies", ["customer_ref"], unique=False)
    op.create_index("ix_replies_phone", "replies", ["phone_hash"], unique=False)
    op.create_index("ix_replies_message", "replies", ["message_id"], unique=False)
    op.create_table(
        "unread",
        sa.Column("unread_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("done_at", sa.Text(), nullable=True),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("unread_id"),
    )
