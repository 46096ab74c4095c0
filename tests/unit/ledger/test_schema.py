"""The migrations make exactly the tables of the code, and travel with the package."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from carloan_notify.ledger import schema
from carloan_notify.ledger.store import Store, locate
from carloan_notify.ledger.tables import METADATA


def test_the_newest_migration_is_the_one_the_code_needs() -> None:
    config = Config()
    config.set_main_option("script_location", "carloan_notify.ledger:migrations")
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == schema.HEAD
    assert [one.revision for one in script.walk_revisions()] == [*reversed(schema.REVISIONS)]


def test_migrating_makes_the_tables_of_the_code(tmp_path: Path) -> None:
    store = Store(locate("sqlite:///ledger.db", tmp_path), busy_timeout_s=1)
    with store.write() as connection:
        schema.upgrade(connection)
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()
