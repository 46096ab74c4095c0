"""An older schema: this version's without replies, unread returns, the last portfolio and numbers of receipts."""

from importlib import import_module

from alembic import op

revision = "0000"
down_revision = None


def upgrade() -> None:
    """Make this version's tables, then take away what is newer."""
    import_module("carloan_notify.ledger.migrations.versions.0001_first").upgrade()
    op.drop_table("replies")
    op.drop_table("unread")
    op.drop_table("portfolio")
    op.drop_index("ix_contents_phone", table_name="contents")
    op.create_index("ix_messages_owner", "messages", ["owner"], unique=False)
    op.drop_column("receipts", "phone_hash")
    op.drop_column("receipts", "blocked")
