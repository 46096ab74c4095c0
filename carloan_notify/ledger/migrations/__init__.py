"""Alembic migrations; they travel inside the wheel and run on the connection the ledger hands them."""
