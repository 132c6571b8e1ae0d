"""Runs the migrations on one connection, in one transaction each, with the studio's tables as the aim."""

import sqlalchemy as sa
from alembic import context

from studio.tables import metadata

config = context.config


def include_object(item: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:  # noqa: ARG001, FBT001
    """Leave alone what jobs make: the partial index of an embedding model."""
    return not (kind == "index" and reflected and (name or "").startswith("ix_embedding_"))


def run() -> None:
    """Upgrade over the connection that the caller gave, or over one of our own to the configured address."""
    connection: sa.Connection | None = config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    url = config.attributes.get("url") or config.get_main_option("sqlalchemy.url")
    if not url:
        message = "No database address: run `python -m studio migrate`, which knows it."
        raise SystemExit(message)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as own:
        _migrate(own)
        own.commit()


def _migrate(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=include_object,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
