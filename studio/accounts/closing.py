"""Closing an account: from then on its row is a pseudonym, for what stays as proof."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from studio.accounts import audit, passwords, people, rules
from studio.accounts.errors import DemoAccountError, OwnAccountError, WrongPasswordError
from studio.accounts.models import (
    AuditEntry,
    OAuthAccount,
    RefreshToken,
    Theme,
    User,
    UserAchievement,
    UserPreference,
    UserStatus,
    UserSubscription,
)
from studio.accounts.permissions import Actor, Permission, RoleName

_OWN_TABLES = (UserPreference, UserSubscription, UserAchievement, OAuthAccount, RefreshToken)
_NAMED_IN: sa.ColumnElement[Any] = sa.literal_column("ARRAY['email', 'name']")
"""Keys of what the audit log says about a person that say who it was."""


def find_closable(
    session: Session, *, actor: Actor, user_id: UUID, password: str | None = None, row_version: int | None = None
) -> User:
    """The person, locked, if the actor may close their account: an admin another's, and everybody their own with `password`.

    Raises ForbiddenError, NotFoundError, OwnAccountError, WrongPasswordError, ClosedAccountError, DemoAccountError,
    LastAdminError or StalePersonError.
    """
    is_own = actor.user_id == user_id
    if not is_own:
        actor.must(Permission.PERSON_WRITE)
    user = people.locked(session, actor=actor, user_id=user_id, row_version=row_version)
    if is_own and password is None:
        raise OwnAccountError
    if is_own and not passwords.matches(password or "", user.password):
        raise WrongPasswordError
    if user.is_demo:
        raise DemoAccountError
    if any(role.name is RoleName.ADMIN for role in user.roles):
        people.keep_an_admin(session, user)
    return user


def anonymise(session: Session, *, actor: Actor, user: User, reason: str | None, now: datetime) -> User:
    """Nobody can sign in to the account or learn from its row whose it was; every session is over.

    `user` is what `find_closable` returned. What the audit log says of the person goes by `forget_names`.
    """
    before = {"status": user.status.value, "roles": sorted(role.name for role in user.roles)}
    user.name = rules.pseudonym(user.id)
    user.email = f"{user.id.hex}@closed.invalid"
    user.status, user.closed_at = UserStatus.CLOSED, now
    user.suspended_at = user.suspension_reason = None
    user.legacy_id = user.password = user.confirmed_at = None
    user.last_login_at = user.current_login_at = user.last_login_ip = user.current_login_ip = user.login_count = None
    user.tf_primary_method = user.tf_totp_secret = user.tf_last_step = user.mf_recovery_codes = None
    user.locale, user.timezone, user.theme, user.preferred_languages = None, "UTC", Theme.AUTO, []
    user.content_filters, user.privacy_settings, user.notification_prefs, user.subscription_features = {}, {}, {}, {}
    user.roles = []
    user.fs_uniquifier = people.fresh_uniquifier()
    user.row_version += 1
    session.flush()
    for table in _OWN_TABLES:
        session.execute(sa.delete(table).where(table.user_id == user.id))
    audit.record(
        session,
        # Not by their name, if it is they themselves: it would stand there for good.
        actor=user.actor if actor.user_id == user.id else actor,
        action="person.close",
        resource="person",
        resource_id=user.id,
        before=before,
        after={"status": UserStatus.CLOSED},
        reason=reason,
    )
    session.flush()
    return user


def forget_names(session: Session, *, user_id: UUID, limit: int = 1_000) -> int:
    """Take who it was out of at most `limit` entries of the audit log; what was done, to what and when, stays.

    PostgreSQL allows exactly this, and only for a closed account. Returns how many entries were changed; may be repeated.
    """
    name = rules.pseudonym(user_id)
    by = sa.and_(AuditEntry.actor_id == user_id, AuditEntry.actor_name != name)
    about = sa.and_(
        AuditEntry.resource == "person",
        AuditEntry.resource_id == user_id,
        sa.or_(AuditEntry.before.op("?|")(_NAMED_IN), AuditEntry.after.op("?|")(_NAMED_IN)),
    )
    ids = sa.select(AuditEntry.id).where(sa.or_(by, about)).limit(limit).scalar_subquery()
    changed = session.scalars(
        sa.update(AuditEntry)
        .where(AuditEntry.id.in_(ids))
        .values(
            actor_name=sa.case((AuditEntry.actor_id == user_id, name), else_=AuditEntry.actor_name),
            before=_without_names(AuditEntry.before, user_id),
            after=_without_names(AuditEntry.after, user_id),
        )
        .returning(AuditEntry.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(changed)


def settle(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Everything that was to go is gone. May be repeated."""
    session.execute(
        sa.update(User)
        .where(User.id == user_id, User.status == UserStatus.CLOSED, User.cleared_at.is_(None))
        .values(cleared_at=now)
        .execution_options(synchronize_session=False)
    )


def _without_names(column: sa.SQLColumnExpression[Any], user_id: UUID) -> sa.ColumnElement[Any]:
    is_about = sa.and_(AuditEntry.resource == "person", AuditEntry.resource_id == user_id)
    return sa.case((is_about, column.op("-", return_type=JSONB())(_NAMED_IN)), else_=column)
