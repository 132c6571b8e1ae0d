"""The one place where addresses of databases are brought into the form that SQLAlchemy wants."""

import sqlalchemy as sa

from studio.kit.errors import InvalidError

_DRIVER = "postgresql+psycopg"


def normal_database_url(url: str) -> str:
    """`url` with the driver that the studio uses: `postgresql://…` and `postgres://…` become `postgresql+psycopg://…`."""
    scheme, separator, rest = url.strip().partition("://")
    if separator and scheme in {"postgres", "postgresql", _DRIVER}:
        try:
            return sa.make_url(f"{_DRIVER}://{rest}").render_as_string(hide_password=False)
        except (sa.exc.ArgumentError, ValueError):
            pass
    raise InvalidError(
        "STUDIO_DATABASE_URL is not an address of PostgreSQL. It looks like postgresql://user:password@host:5432/name."
    )


def libpq_url(url: str) -> str:
    """`url` as libpq, psycopg and PostgreSQL's own programs read it."""
    return sa.make_url(normal_database_url(url)).set(drivername="postgresql").render_as_string(hide_password=False)
