"""Tables of people, roles, preferences and the audit log."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.accounts.permissions import Actor, RoleName
from studio.kit.orm import Base, Identified, Timestamped, at_most, refers_to, stored

if TYPE_CHECKING:
    # Flask-Security annotates its mixins as tables of another shape; what it calls on them is untyped anyway.
    class RoleMixin:
        """Stands for Flask-Security's mixin of roles."""

    class UserMixin:
        """Stands for Flask-Security's mixin of people."""

else:
    from flask_security.core import RoleMixin, UserMixin


class UserStatus(StrEnum):
    """Whether a person may sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    """Gone for good: the row stands for whoever it was wherever something stays as proof."""


class Theme(StrEnum):
    """Light, dark, or as the person's device says."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class SubscriptionStatus(StrEnum):
    """The state of what a person subscribed to; it never touches the account's own status."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


user_roles = sa.Table(
    "user_roles",
    Base.metadata,
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role_id", sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Role(Identified, Base, RoleMixin):
    """A role that people hold; what it grants stands in `studio.accounts.permissions`."""

    __tablename__ = "roles"

    name: Mapped[RoleName] = mapped_column(stored(RoleName, "name"), unique=True)
    description: Mapped[str] = mapped_column(default="", server_default="")


class User(Identified, Timestamped, Base, UserMixin):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (
        # Two spellings of one address are one person.
        sa.Index("uq_users_email_lower", sa.text("lower(email)"), unique=True),
        sa.CheckConstraint("email LIKE '%_@_%'", name="email_has_an_at"),
        # A suspended person has a moment and a reason; an active one has neither.
        sa.CheckConstraint("(status = 'suspended') = (suspended_at IS NOT NULL)", name="suspended_at_goes_with_status"),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_at_goes_with_status"),
        # Nobody signs in to a closed account, whatever else fails.
        sa.CheckConstraint("status <> 'closed' OR password IS NULL", name="closed_has_no_password"),
        sa.CheckConstraint("cleared_at IS NULL OR closed_at IS NOT NULL", name="cleared_goes_with_closed"),
        at_most("name", 80),
        at_most("email", 254),
        sa.Index("ix_users_created_at_id", "created_at", "id"),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str]
    name: Mapped[str]
    status: Mapped[UserStatus] = mapped_column(stored(UserStatus, "status"), default=UserStatus.ACTIVE)
    suspended_at: Mapped[datetime | None]
    suspension_reason: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    # When everything that was to go with the account was gone.
    cleared_at: Mapped[datetime | None]
    is_demo: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # Counted up by `studio.accounts.people` alone: signing in touches the row too and must not make a form stale.
    row_version: Mapped[int] = mapped_column(default=1, server_default="1")

    password: Mapped[str | None] = mapped_column(deferred=True)
    # Changed whenever every session of the person must end: a new password, a suspension.
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    confirmed_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    current_login_at: Mapped[datetime | None]
    last_login_ip: Mapped[str | None]
    current_login_ip: Mapped[str | None]
    login_count: Mapped[int | None]
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    # The time step of the last one-time code that was accepted: none serves twice.
    tf_last_step: Mapped[int | None] = mapped_column(sa.BigInteger)
    mf_recovery_codes: Mapped[list[Any] | None]

    locale: Mapped[str | None] = mapped_column(sa.CheckConstraint("locale IN ('en', 'zh_Hans')", name="locale"))
    timezone: Mapped[str] = mapped_column(default="UTC", server_default="UTC")
    theme: Mapped[Theme] = mapped_column(stored(Theme, "theme"), default=Theme.AUTO, server_default=Theme.AUTO)
    preferred_languages: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    content_filters: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    privacy_settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    notification_prefs: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    subscription_features: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    roles: Mapped[list[Role]] = relationship(secondary=user_roles, lazy="selectin", order_by=Role.name)

    @property
    def active(self) -> bool:
        """Whether the person may sign in; Flask-Security asks."""
        return self.status is UserStatus.ACTIVE

    @property
    def actor(self) -> Actor:
        """The person as services know them."""
        return Actor(user_id=self.id, roles=frozenset(role.name for role in self.roles), name=self.name)


class EndedSession(Base):
    """A session that was signed out of: a copy of its cookie opens nothing any more."""

    __tablename__ = "ended_sessions"

    token: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(index=True)


class UserPreference(Identified, Timestamped, Base):
    """One remembered choice of one person: a column set, a density, the last used filter."""

    __tablename__ = "user_preferences"
    __table_args__ = (sa.UniqueConstraint("user_id", "key", name="uq_user_preferences_user_id_key"),)

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    key: Mapped[str]
    value: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class UserSubscription(Identified, Timestamped, Base):
    """What a person subscribed to, from when until when."""

    __tablename__ = "user_subscriptions"
    __table_args__ = (
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_it_starts"),
        sa.Index(
            "uq_user_subscriptions_user_id_active",
            "user_id",
            unique=True,
            postgresql_where=sa.text("status = 'active'"),
        ),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    plan: Mapped[str]
    status: Mapped[SubscriptionStatus] = mapped_column(stored(SubscriptionStatus, "status"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]


class UserAchievement(Identified, Base):
    """Something that a person achieved, once."""

    __tablename__ = "user_achievements"
    __table_args__ = (sa.UniqueConstraint("user_id", "kind", name="uq_user_achievements_user_id_kind"),)

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    kind: Mapped[str]
    progress: Mapped[int] = mapped_column(default=0, server_default="0")
    achieved_on: Mapped[date | None]


class AuditEntry(Identified, Base):
    """Who did what to which row, before and after, and why. PostgreSQL refuses to change or delete an entry."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        sa.Index("ix_audit_entries_created_at_id", "created_at", "id"),
        sa.Index("ix_audit_entries_resource_resource_id", "resource", "resource_id"),
    )

    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    actor_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    # Kept beside the refers_to, so that the entry still says who when the account is gone.
    actor_name: Mapped[str]
    action: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    # Who does not read the entry, whatever their roles: whom it is about and whom it is kept from. No refers_to: it is never followed.
    kept_from_id: Mapped[UUID | None]


class OAuthAccount(Identified, Timestamped, Base):
    """A person's account elsewhere, by which they may sign in; its tokens are kept as hashes only."""

    __tablename__ = "oauth_accounts"
    __table_args__ = (
        # One account elsewhere is one person here.
        sa.UniqueConstraint("provider", "provider_user_id", name="uq_oauth_accounts_provider_provider_user_id"),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    provider: Mapped[str]
    provider_user_id: Mapped[str]
    access_token_hash: Mapped[str | None]
    refresh_token_hash: Mapped[str | None]
    expires_at: Mapped[datetime | None]


class RefreshToken(Identified, Base):
    """A token, kept as its hash, that lets a client of the platform stay signed in."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (sa.CheckConstraint("expires_at > created_at", name="expires_after_it_was_made"),)

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
