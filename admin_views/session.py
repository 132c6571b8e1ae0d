"""Who makes the present request."""

from uuid import UUID

from flask import g, has_request_context
from flask_login import current_user

from studio.accounts.models import User
from studio.accounts.permissions import NOBODY, Actor


def current_actor() -> Actor:
    """The person signed in, as services know them, or NOBODY; read once per request.

    A person whose second factor is still to come is nobody yet.
    """
    if not has_request_context():
        return NOBODY
    # Where Flask-Login keeps the row once it was asked for: each look through its proxy costs several of these.
    user = g.get("_login_user")
    if user is None:
        user = current_user._get_current_object()  # noqa: SLF001 - the documented way out of a LocalProxy.
    user_id = user.id if user.is_authenticated else None
    cached: tuple[UUID | None, Actor] | None = g.get("studio_actor")
    # Signing in and out happens within a request: what was read before it is no longer true.
    if cached is None or cached[0] != user_id:
        cached = (user_id, user.actor if user_id is not None else NOBODY)
        g.studio_actor = cached
    return cached[1]


def remember_actor(actor: Actor) -> None:
    """Have `current_actor` know who asks without another look, where this is the person signed in."""
    g.studio_actor = (actor.user_id, actor)


def current_person() -> User | None:
    """The row of the person signed in, or None."""
    if not has_request_context():
        return None
    person = current_user._get_current_object()  # noqa: SLF001 - the documented way out of a LocalProxy.
    return person if person.is_authenticated else None
