"""What people change about their own account: name, language, theme, password."""

from sqlalchemy.orm import Session

from studio.accounts import audit, passwords, people, queries, rules
from studio.accounts.errors import UnknownChoiceError, WrongPasswordError
from studio.accounts.models import Theme, User
from studio.accounts.permissions import Actor
from studio.kit.errors import ForbiddenError


def update(session: Session, *, actor: Actor, name: str, locale: str | None, theme: str, timezone: str = "UTC") -> User:
    """Keep the person's own name, language (None: as the browser asks), theme and time zone.

    Raises BadNameError or UnknownChoiceError. Saying the same again changes nothing.
    """
    user = _own_row(session, actor)
    name, locale, timezone = rules.clean_name(name), rules.clean_locale(locale), rules.clean_timezone(timezone)
    if theme not in set(Theme):
        raise UnknownChoiceError("theme")
    before = {"name": user.name, "locale": user.locale, "theme": user.theme.value, "timezone": user.timezone}
    user.name, user.locale, user.theme, user.timezone = name, locale, Theme(theme), timezone
    after = {"name": name, "locale": locale, "theme": theme, "timezone": timezone}
    if before != after:
        user.row_version += 1
    audit.record_changes(
        session,
        actor=actor,
        action="person.update_own",
        resource="person",
        resource_id=user.id,
        before=before,
        after=after,
    )
    session.flush()
    return user


def change_password(session: Session, *, actor: Actor, current_password: str, new_password: str) -> User:
    """Replace one's own password, proved by the present one, and end every session.

    The caller signs the present browser in again. Raises WrongPasswordError or WeakPasswordError.
    """
    user = _own_row(session, actor)
    if not passwords.matches(current_password, user.password):
        raise WrongPasswordError
    rules.check_password(new_password, about=(user.name, user.email))
    people.replace_password(session, user=user, password=new_password)
    audit.record(session, actor=actor, action="person.change_password", resource="person", resource_id=user.id)
    return user


def _own_row(session: Session, actor: Actor) -> User:
    if actor.user_id is None:
        raise ForbiddenError
    return queries.get_user(session, actor=actor, user_id=actor.user_id, lock=True)
