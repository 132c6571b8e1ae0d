"""The accounts of demo mode: every kind of person, two where one is not enough, with a password that the sign-in page shows."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from studio.accounts import passwords, people, queries
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, RoleName

PASSWORD = "greenroom-demo"  # noqa: S105 - Public on purpose; refused wherever demo mode is off.


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One person of the demo."""

    email: str
    name: str
    roles: tuple[RoleName, ...]


ACCOUNTS = (
    DemoAccount("creator@demo.example", "Mei Lin 林梅", (RoleName.CREATOR,)),
    DemoAccount("second@demo.example", "Theo Grant", (RoleName.CREATOR,)),
    DemoAccount("reader@demo.example", "Juno Park", (RoleName.CREATOR,)),
    DemoAccount("moderator@demo.example", "Ada Moreau", (RoleName.MODERATOR,)),
    DemoAccount("colleague@demo.example", "Noor Haddad", (RoleName.MODERATOR,)),
    DemoAccount("staff@demo.example", "Sam Okafor", (RoleName.STAFF,)),
    DemoAccount("admin@demo.example", "Ines Castro", (RoleName.ADMIN,)),
)


def ensure(session: Session) -> list[User]:
    """Have the demo's people exist, with their password and roles as listed; what they did is left alone.

    Repeating it is safe. An account with such an address that is nobody's demo account is not touched.
    """
    made: list[User] = []
    for account in ACCOUNTS:
        user = queries.find_by_email(session, account.email)
        if user is None:
            user = people.create(
                session,
                actor=SYSTEM,
                email=account.email,
                name=account.name,
                password=PASSWORD,
                roles=account.roles,
                is_demo=True,
            )
        elif user.is_demo and not passwords.matches(PASSWORD, user.password):
            people.set_password(session, actor=SYSTEM, user_id=user.id, password=PASSWORD)
        made.append(user)
    return made
