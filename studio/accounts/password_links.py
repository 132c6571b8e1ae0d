"""Links with which people choose a new password: an admin hands one over and never knows the password."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from studio.accounts import audit, people, rules
from studio.accounts.errors import BadPasswordLinkError, OwnAccountError
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission

VALID_FOR = timedelta(hours=24)
_SALT = "studio.accounts.password_links"


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """The secret part of the link's address, and until when it works."""

    token: str
    valid_until: datetime


def make(session: Session, *, actor: Actor, key: bytes, user_id: UUID, now: datetime) -> PasswordLink:
    """A link for one person, good for one new password within 24 hours; it is shown once and kept nowhere.

    Whatever changes the password or ends the person's sessions makes it void. Raises ForbiddenError,
    NotFoundError or OwnAccountError.
    """
    actor.must(Permission.PERSON_WRITE)
    user = people.locked(session, actor=actor, user_id=user_id)
    if user.id == actor.user_id:
        raise OwnAccountError
    audit.record(session, actor=actor, action="person.make_password_link", resource="person", resource_id=user.id)
    until = now + VALID_FOR
    payload = [str(user.id), _state(key, user), int(until.timestamp())]
    return PasswordLink(token=str(_serializer(key).dumps(payload)), valid_until=until)


def find(session: Session, *, key: bytes, token: str, now: datetime, lock: bool = False) -> User:
    """The person for whom the link was made; raises BadPasswordLinkError where it is made up, used or too old."""
    try:
        user_id, state, until = _serializer(key).loads(token)
        wanted = UUID(user_id)
    except (BadData, TypeError, ValueError):
        raise BadPasswordLinkError from None
    query = sa.select(User).where(User.id == wanted)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    user = session.scalar(query)
    if user is None or not user.active or now.timestamp() >= until or not hmac.compare_digest(_state(key, user), state):
        raise BadPasswordLinkError
    return user


def use(session: Session, *, key: bytes, token: str, password: str, now: datetime) -> User:
    """Give the link's person this password and end their sessions; the link is used up.

    Raises BadPasswordLinkError or WeakPasswordError; the link stays good after the latter.
    """
    user = find(session, key=key, token=token, now=now, lock=True)
    rules.check_password(password, about=(user.name, user.email))
    people.replace_password(session, user=user, password=password)
    audit.record(session, actor=user.actor, action="person.use_password_link", resource="person", resource_id=user.id)
    return user


def _serializer(key: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})


def _state(key: bytes, user: User) -> str:
    known = f"{user.id}:{user.fs_uniquifier}:{user.password}".encode()
    return hmac.new(key, known, hashlib.sha256).hexdigest()
