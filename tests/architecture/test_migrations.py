"""The migrations make exactly the tables that the models describe, and PostgreSQL holds what they promise."""

import enum

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from studio import tables


def enumerations():
    for table in tables.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.Enum) and column.type.enum_class is not None:
                yield pytest.param(table, column, id=f"{table.name}.{column.name}")


class TestMigrations:
    def test_equal_the_models(self, session):
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        differences = [d for d in compare_metadata(context, tables.metadata) if "ix_embedding_" not in repr(d)]
        assert differences == []

    @pytest.mark.parametrize(("table", "column"), list(enumerations()))
    def test_know_every_value_of_an_enumeration(self, session, table, column):
        assert issubclass(column.type.enum_class, enum.StrEnum)
        definitions = session.scalars(
            sa.text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(:table)"
            ),
            {"table": table.name},
        ).all()
        values = {member.value for member in column.type.enum_class}
        assert any(column.name in text and all(f"'{value}'" in text for value in values) for text in definitions), (
            definitions
        )


class TestAppendOnly:
    def test_an_audit_entry_cannot_be_changed_or_deleted(self, session):
        session.execute(
            sa.text(
                "INSERT INTO audit_entries (id, actor_name, action, resource) VALUES (gen_random_uuid(), 'x', 'y', 'z')"
            )
        )
        for statement in ("UPDATE audit_entries SET action = 'other'", "DELETE FROM audit_entries"):
            with pytest.raises(IntegrityError), session.begin_nested():
                session.execute(sa.text(statement))


class TestCategories:
    def test_cannot_stand_in_a_circle(self, session):
        first, second, third = session.scalars(
            sa.text("SELECT id FROM character_categories ORDER BY sort_order LIMIT 3")
        ).all()
        move = sa.text("UPDATE character_categories SET parent_id = :parent WHERE id = :id")
        session.execute(move, {"id": second, "parent": first})
        session.execute(move, {"id": third, "parent": second})
        with pytest.raises(IntegrityError, match="below itself"), session.begin_nested():
            session.execute(move, {"id": first, "parent": third})
