"""Statements written down once: one source for both databases."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from carloan_notify.ledger.prepared import Prepared, among, listed
from carloan_notify.ledger.tables import MESSAGES, META, METADATA


@pytest.fixture(scope="module")
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.connect() as opened:
        yield opened


def test_values_that_a_statement_holds_itself_need_not_be_given(connection: sa.Connection) -> None:
    Prepared(sa.insert(META)).run_each(connection, [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
    raised = sa.update(META).where(META.c.name == sa.bindparam("its_name"), META.c.value != "2")
    Prepared(raised.values(value="9")).run_each(connection, [{"its_name": "a"}, {"its_name": "b"}])
    Prepared(sa.insert(META)).run_each(connection, [])
    chosen = Prepared(sa.select(META.c.value).where(among(META.c.name, "names")).order_by(META.c.name))
    assert chosen.run(connection, names=listed(["b", "a", "x\"]'"])).scalars().all() == ["9", "2"]
    assert chosen.run(connection, names=listed([])).scalars().all() == []


@pytest.mark.parametrize(("names", "kept"), [(["a", "b"], True), (["a", "x"], False)])
def test_a_change_is_whole_or_the_transaction_is_over(names: list[str], kept: bool) -> None:  # noqa: FBT001 - a case
    engine = sa.create_engine("sqlite://")
    META.create(engine)
    change = Prepared(sa.update(META).where(among(META.c.name, "names")).values(value="9"))
    with engine.begin() as connection:
        connection.execute(sa.insert(META), [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
    with engine.begin() as connection:
        assert change.run_whole(connection, 2, names=listed(names)) is kept
    with engine.begin() as connection:
        values = connection.execute(sa.select(META.c.value).order_by(META.c.name)).scalars().all()
    assert values == (["9", "9"] if kept else ["1", "2"])


def test_both_databases_get_the_same_statement_in_their_own_words() -> None:
    query = sa.select(MESSAGES.c.state).where(among(MESSAGES.c.message_id, "ids")).with_for_update()
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    words = str(query.compile(dialect=dialect))
    assert "json_array_elements_text(CAST(" in words
    assert words.endswith("FOR UPDATE")


def test_only_statements_on_rows_can_be_prepared(connection: sa.Connection) -> None:
    with pytest.raises(TypeError, match="read or write rows"):
        Prepared(sa.DDL("VACUUM")).run(connection)  # type: ignore[arg-type,no-untyped-call]  # the mistake
