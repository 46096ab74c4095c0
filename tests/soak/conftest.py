"""The PostgreSQL of the integration tests."""

from tests.integration.conftest import fresh_postgres, postgres_url

__all__ = ["fresh_postgres", "postgres_url"]
