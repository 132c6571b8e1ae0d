"""The audit log: who did what to which row, what it was before and after, and why."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts import rules
from studio.accounts.models import AuditEntry
from studio.accounts.permissions import Actor
from studio.kit.context import request_id
from studio.kit.text import excerpt, storable


def record(
    session: Session,
    *,
    actor: Actor,
    action: str,
    resource: str,
    resource_id: UUID | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
    kept_from_id: UUID | None = None,
) -> AuditEntry:
    """Write one entry in the caller's transaction: it stands exactly if the change does.

    `action` is "<resource>.<verb>" ("character.update"). Of `before` and `after` give only what changed:
    texts over 200 characters are kept as excerpt, length and hash, values under names like
    "password" or "token" not at all. Of a card's texts give `rules.fingerprint(text)`. `kept_from_id` is a person who
    never reads the entry, even one who reads all others: whose listing was reported, by whom.
    """
    entry = AuditEntry(
        actor_id=actor.user_id,
        actor_name=excerpt(actor.name, rules.LONGEST_NAME),
        action=action,
        resource=resource,
        resource_id=resource_id,
        before=rules.audited(before),
        after=rules.audited(after),
        reason=storable(reason)[: rules.LONGEST_REASON] if reason else None,
        request_id=request_id.get(),
        kept_from_id=kept_from_id,
    )
    session.add(entry)
    return entry


def record_changes(
    session: Session,
    *,
    actor: Actor,
    action: str,
    resource: str,
    resource_id: UUID | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str | None = None,
) -> AuditEntry | None:
    """As `record`, keeping only the names whose values differ; nothing is written where none does."""
    names = rules.changed(before, after)
    if not names:
        return None
    return record(
        session,
        actor=actor,
        action=action,
        resource=resource,
        resource_id=resource_id,
        before={name: before[name] for name in names if name in before},
        after={name: after[name] for name in names if name in after},
        reason=reason,
    )
