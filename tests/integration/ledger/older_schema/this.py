"""From the older schema to this version's: tables, columns of receipts, a way from a number to its messages."""

import sqlalchemy as sa
from alembic import op

from carloan_notify.ledger.tables import PORTFOLIO, REPLIES, UNREAD

revision = "0001"
down_revision = "0000"


def upgrade() -> None:
    """Add what is newer; rows that are there keep their values."""
    op.drop_index("ix_messages_owner", table_name="messages")
    op.create_index("ix_contents_phone", "contents", ["phone_hash"], unique=False)
    op.add_column("receipts", sa.Column("phone_hash", sa.Text(), nullable=False, server_default=""))
    op.add_column("receipts", sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.false()))
    for table in (PORTFOLIO, REPLIES, UNREAD):
        table.create(op.get_bind())
