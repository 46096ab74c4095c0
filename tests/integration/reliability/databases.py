"""As many empty databases as a campaign needs, on the tests' PostgreSQL, which is thrown away as a whole."""

from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa


@dataclass(frozen=True)
class Databases:
    """Empty databases on the server of an administrative URL."""

    admin_url: str

    def fresh(self) -> str:
        """The URL of a new one."""
        name = f"crash_{uuid4().hex}"
        admin = sa.create_engine(self.admin_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        admin.dispose()
        return sa.make_url(self.admin_url).set(database=name).render_as_string(hide_password=False)
