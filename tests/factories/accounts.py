"""Makes people for tests, through the services that make them for admins."""

from functools import cache
from itertools import count

from sqlalchemy.orm import Session

from studio.accounts import passwords, people
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor, RoleName

PASSWORD = "correct horse battery"

_numbers = count(1)


@cache
def _password_hash() -> str:
    # Hashing is slow on purpose; once for all people of a test run is enough.
    return passwords.hashed(PASSWORD)


def make_user(session: Session, *roles: RoleName, **columns: object) -> User:
    """A person who holds `roles` and signs in with PASSWORD; `columns` are set on the row as they are given.

    An address is made up where none is given. Suspended: `status=UserStatus.SUSPENDED, suspended_at=now`.
    """
    number = next(_numbers)
    email = columns.pop("email", None) or f"person{number}@example.com"
    name = columns.pop("name", None) or f"Person {number}"
    user = people.create(session, actor=SYSTEM, email=str(email), name=str(name), password=None, roles=roles)
    user.password = _password_hash()
    for column, value in columns.items():
        setattr(user, column, value)
    session.flush()
    return user


def make_actor(session: Session, *roles: RoleName, **columns: object) -> Actor:
    """As `make_user`, as services know the person."""
    return make_user(session, *roles, **columns).actor
