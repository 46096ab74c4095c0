"""Run the migrations on the caller's connection and transaction (see `schema.migrate`)."""

from alembic import context

from carloan_notify.ledger.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
