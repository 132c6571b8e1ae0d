"""Reads of people and of the audit log, and who may see which rows."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import rules
from studio.accounts.models import AuditEntry, Role, User, UserStatus, user_roles
from studio.accounts.permissions import Actor, Permission, RoleName
from studio.kit.errors import NotFoundError
from studio.kit.text import escape_like, one_line


def user_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who manages people sees everybody; anybody else sees themselves; who is not signed in sees nobody."""
    if actor.may(Permission.PERSON_READ):
        return sa.true()
    if actor.user_id is None:
        return sa.false()
    return User.id == actor.user_id


def audit_entry_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff and admins see every entry but those that are kept from them; anybody else sees none."""
    if not actor.may(Permission.AUDIT_READ):
        return sa.false()
    return AuditEntry.kept_from_id.is_distinct_from(actor.user_id) if actor.user_id is not None else sa.true()


def get_user(session: Session, *, actor: Actor, user_id: UUID, lock: bool = False) -> User:
    """The person, locked until the transaction ends where asked; raises NotFoundError for a stranger."""
    query = sa.select(User).where(user_visible_to(actor), User.id == user_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    user = session.scalar(query)
    if user is None:
        raise NotFoundError
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """The person with this address in any spelling; for sign-in and commands, which have no actor yet."""
    return session.scalar(sa.select(User).where(sa.func.lower(User.email) == rules.one_line_email(email)))


def find_active(session: Session, *, user_id: UUID | None) -> Actor | None:
    """The person with the roles that they hold now, read anew; None where they are suspended or gone."""
    user = session.get(User, user_id, populate_existing=True) if user_id is not None else None
    return user.actor if user is not None and user.status is UserStatus.ACTIVE else None


def has_password(session: Session, *, user_id: UUID) -> bool:
    """Whether the person can sign in with a password; without one they wait for a password link."""
    return session.scalar(sa.select(User.password.is_not(None)).where(User.id == user_id)) is True


def list_demo_users(session: Session) -> list[User]:
    """The demo accounts that may sign in, for the sign-in page in demo mode."""
    query = (
        sa.select(User)
        .where(User.is_demo, User.status == UserStatus.ACTIVE)
        .order_by(User.created_at, User.id)
        .limit(20)
    )
    return list(session.scalars(query))


def holds_role(role: RoleName) -> sa.ColumnElement[bool]:
    """People who hold `role`; an EXISTS, so that nobody appears twice."""
    return sa.exists(
        sa.select(user_roles.c.user_id)
        .join(Role, Role.id == user_roles.c.role_id)
        .where(user_roles.c.user_id == User.id, Role.name == role)
    )


def person_matches(text: str) -> sa.ColumnElement[bool]:
    """People whose name or address contains `text`, whatever its case."""
    pattern = f"%{escape_like(one_line(text))}%"
    return sa.or_(User.name.ilike(pattern, escape="\\"), User.email.ilike(pattern, escape="\\"))


def has_other_active_admin(session: Session, *, user: User) -> bool:
    """Whether somebody else who can sign in is an admin.

    A demo admin counts only beside demo accounts: outside demo mode they cannot sign in.
    """
    query = sa.select(User.id).where(
        holds_role(RoleName.ADMIN), User.status == UserStatus.ACTIVE, User.id != user.id, User.password.is_not(None)
    )
    if not user.is_demo:
        query = query.where(User.is_demo.is_(False))
    return session.scalar(query.limit(1)) is not None


def list_audit_entries(
    session: Session, *, actor: Actor, resource: str, resource_id: UUID, limit: int = 20
) -> list[AuditEntry]:
    """The newest entries about one row."""
    query = (
        sa.select(AuditEntry)
        .where(audit_entry_visible_to(actor), AuditEntry.resource == resource, AuditEntry.resource_id == resource_id)
        .order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def audited_between(start: datetime | None, end: datetime | None) -> sa.ColumnElement[bool]:
    """Entries from `start` on and before `end`; an open side is None."""
    bounds: list[sa.ColumnElement[bool]] = [sa.true()]
    if start is not None:
        bounds.append(AuditEntry.created_at >= start)
    if end is not None:
        bounds.append(AuditEntry.created_at < end)
    return sa.and_(*bounds)
