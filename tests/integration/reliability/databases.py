"""As many databases as a campaign needs, on the tests' PostgreSQL, which is thrown away as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa


@dataclass(frozen=True)
class Databases:
    """Databases on the server of an administrative URL."""

    admin_url: str

    def fresh(self) -> str:
        """The URL of a new, empty one."""
        return self._made("")

    @contextmanager
    def copy_of(self, url: str) -> Iterator[str]:
        """The URL of a copy of a database that nobody uses; it is gone afterwards."""
        copy = self._made(f" TEMPLATE {sa.make_url(url).database}")
        yield copy
        self._tell(f"DROP DATABASE {sa.make_url(copy).database} WITH (FORCE)")

    def _made(self, how: str) -> str:
        name = f"crash_{uuid4().hex}"
        self._tell(f"CREATE DATABASE {name}{how}")
        return sa.make_url(self.admin_url).set(database=name).render_as_string(hide_password=False)

    def _tell(self, statement: str) -> None:
        admin = sa.create_engine(self.admin_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(statement)
        admin.dispose()
