"""The MariaDB of the sources' tests."""

from tests.integration.sources.conftest import mariadb_url

__all__ = ["mariadb_url"]
