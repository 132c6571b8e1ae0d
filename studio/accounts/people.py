"""People and their roles: making accounts, suspending, changing roles, ending sessions."""

import secrets
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit, passwords, queries, rules
from studio.accounts.errors import (
    AlreadySuspendedError,
    ClosedAccountError,
    EmailTakenError,
    LastAdminError,
    NotSuspendedError,
    OwnAccountError,
    StalePersonError,
)
from studio.accounts.models import Role, User, UserStatus
from studio.accounts.permissions import Actor, Permission, RoleName


def create(
    session: Session,
    *,
    actor: Actor,
    email: str,
    name: str,
    password: str | None,
    roles: Collection[RoleName],
    is_demo: bool = False,
) -> User:
    """Make an account that can sign in with `password`, or with none until a password link was used.

    Raises ForbiddenError, BadEmailError, EmailTakenError, BadNameError or WeakPasswordError.
    """
    actor.must(Permission.PERSON_WRITE)
    if roles:
        actor.must(Permission.ROLE_ASSIGN)
    email, name = rules.clean_email(email), rules.clean_name(name)
    if password is not None:
        rules.check_password(password, about=(name, email))
    if queries.find_by_email(session, email) is not None:
        raise EmailTakenError
    user = User(
        email=email,
        name=name,
        password=None if password is None else passwords.hashed(password),
        fs_uniquifier=fresh_uniquifier(),
        status=UserStatus.ACTIVE,
        is_demo=is_demo,
        roles=_roles(session, roles),
        row_version=1,
    )
    try:
        with session.begin_nested():
            session.add(user)
            session.flush()
    except IntegrityError:
        # Two admins made the same account at the same moment.
        raise EmailTakenError from None
    audit.record(
        session,
        actor=actor,
        action="person.create",
        resource="person",
        resource_id=user.id,
        after={"email": email, "name": name, "roles": sorted(roles)},
    )
    return user


def rename(session: Session, *, actor: Actor, user_id: UUID, name: str, row_version: int | None = None) -> User:
    """Give a person another name; people may rename themselves. Saying the same name again changes nothing."""
    if actor.user_id != user_id:
        actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id, row_version=row_version)
    name = rules.clean_name(name)
    if name == user.name:
        return user
    before, user.name = user.name, name
    _changed(session, user)
    audit.record(
        session,
        actor=actor,
        action="person.rename",
        resource="person",
        resource_id=user.id,
        before={"name": before},
        after={"name": name},
    )
    return user


def set_roles(
    session: Session, *, actor: Actor, user_id: UUID, roles: Collection[RoleName], row_version: int | None = None
) -> User:
    """Have the person hold exactly `roles`, from their next request on; the same roles again change nothing.

    A person who stops being a moderator gives back what they had claimed. Raises ForbiddenError,
    NotFoundError, OwnAccountError, LastAdminError or StalePersonError.
    """
    actor.must(Permission.ROLE_ASSIGN)
    user = locked(session, actor=actor, user_id=user_id, row_version=row_version)
    if user.id == actor.user_id:
        raise OwnAccountError
    held, wanted = {role.name for role in user.roles}, set(roles)
    if held == wanted:
        return user
    if RoleName.ADMIN in held - wanted:
        keep_an_admin(session, user)
    user.roles = _roles(session, wanted)
    _changed(session, user)
    audit.record(
        session,
        actor=actor,
        action="person.set_roles",
        resource="person",
        resource_id=user.id,
        before={"roles": sorted(held)},
        after={"roles": sorted(wanted)},
    )
    if RoleName.MODERATOR in held - wanted:
        work.ask(session, "market.release_claims", actor=actor, about=("person", user.id), user_id=user.id)
    return user


def suspend(
    session: Session, *, actor: Actor, user_id: UUID, reason: str, now: datetime, row_version: int | None = None
) -> User:
    """Shut a person out: no sign-in, every session over at once, claims given back.

    What they made stays. Raises ForbiddenError, NotFoundError, OwnAccountError, LastAdminError,
    AlreadySuspendedError, MissingReasonError or StalePersonError.
    """
    actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id, row_version=row_version)
    if user.id == actor.user_id:
        raise OwnAccountError
    if user.status is UserStatus.SUSPENDED:
        raise AlreadySuspendedError
    reason = rules.clean_reason(reason)
    if any(role.name is RoleName.ADMIN for role in user.roles):
        keep_an_admin(session, user)
    user.status = UserStatus.SUSPENDED
    user.suspended_at = now
    user.suspension_reason = reason
    user.fs_uniquifier = fresh_uniquifier()
    _changed(session, user)
    audit.record(
        session,
        actor=actor,
        action="person.suspend",
        resource="person",
        resource_id=user.id,
        before={"status": UserStatus.ACTIVE},
        after={"status": UserStatus.SUSPENDED},
        reason=reason,
    )
    if any(role.name is RoleName.MODERATOR for role in user.roles):
        work.ask(session, "market.release_claims", actor=actor, about=("person", user.id), user_id=user.id)
    return user


def reinstate(session: Session, *, actor: Actor, user_id: UUID, row_version: int | None = None) -> User:
    """Let a suspended person sign in again; raises NotSuspendedError where they can already."""
    actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id, row_version=row_version)
    if user.status is not UserStatus.SUSPENDED:
        raise NotSuspendedError
    user.status = UserStatus.ACTIVE
    user.suspended_at = None
    before, user.suspension_reason = user.suspension_reason, None
    _changed(session, user)
    audit.record(
        session,
        actor=actor,
        action="person.reinstate",
        resource="person",
        resource_id=user.id,
        before={"status": UserStatus.SUSPENDED, "suspension_reason": before},
        after={"status": UserStatus.ACTIVE},
    )
    return user


def set_password(session: Session, *, actor: Actor, user_id: UUID, password: str) -> User:
    """Give a person this password and end all their sessions; for commands and the first sign-in.

    Raises ForbiddenError, NotFoundError or WeakPasswordError.
    """
    actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id)
    rules.check_password(password, about=(user.name, user.email))
    replace_password(session, user=user, password=password)
    audit.record(session, actor=actor, action="person.set_password", resource="person", resource_id=user.id)
    return user


def replace_password(session: Session, *, user: User, password: str) -> None:
    """Hash and keep a checked password and end every session; for this domain's use cases, which lock and record."""
    user.password = passwords.hashed(password)
    user.fs_uniquifier = fresh_uniquifier()
    _changed(session, user)


def end_sessions(session: Session, *, actor: Actor, user_id: UUID) -> User:
    """Sign the person out everywhere; people may do this to themselves. Repeating it is safe."""
    if actor.user_id != user_id:
        actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id)
    user.fs_uniquifier = fresh_uniquifier()
    _changed(session, user)
    audit.record(session, actor=actor, action="person.end_sessions", resource="person", resource_id=user.id)
    return user


def remove_second_factor(session: Session, *, actor: Actor, user_id: UUID, reason: str) -> User:
    """Take the authenticator away from a person who lost it, and end their sessions; the log keeps why."""
    actor.must(Permission.PERSON_WRITE)
    user = locked(session, actor=actor, user_id=user_id)
    if user.id == actor.user_id:
        raise OwnAccountError
    reason = rules.clean_reason(reason)
    user.tf_primary_method = None
    user.tf_totp_secret = None
    user.tf_last_step = None
    user.mf_recovery_codes = None
    user.fs_uniquifier = fresh_uniquifier()
    _changed(session, user)
    audit.record(
        session,
        actor=actor,
        action="person.remove_second_factor",
        resource="person",
        resource_id=user.id,
        reason=reason,
    )
    return user


def locked(session: Session, *, actor: Actor, user_id: UUID, row_version: int | None = None) -> User:
    """The person, locked, for this domain's use cases; raises NotFoundError, ClosedAccountError or StalePersonError."""
    user = queries.get_user(session, actor=actor, user_id=user_id, lock=True)
    if user.status is UserStatus.CLOSED:
        raise ClosedAccountError
    if row_version is not None and row_version != user.row_version:
        raise StalePersonError
    return user


def keep_an_admin(session: Session, user: User) -> None:
    """Return if somebody else who can sign in is an admin; raises LastAdminError."""
    # Two admins who demote each other at once meet at this row; the second then counts without the first.
    session.execute(sa.select(Role.id).where(Role.name == RoleName.ADMIN).with_for_update(key_share=True))
    if user.status is UserStatus.ACTIVE and not queries.has_other_active_admin(session, user=user):
        raise LastAdminError


def _roles(session: Session, names: Collection[RoleName]) -> list[Role]:
    return list(session.scalars(sa.select(Role).where(Role.name.in_(list(names))).order_by(Role.name)))


def _changed(session: Session, user: User) -> None:
    user.row_version += 1
    session.flush()


def fresh_uniquifier() -> str:
    """Ends every session of whoever gets it."""
    return secrets.token_hex(32)
