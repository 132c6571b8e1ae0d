"""What can be done to many rows at once: one list, which screens, jobs and undoing read.

A kind says what it asks of the person, which rows they may know of, how one row is changed, and how that is taken back.
All of them call the services that a single row's page calls, so that rules, permissions and the audit log are the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import people
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import Actor, Permission
from studio.accounts.queries import user_visible_to
from studio.authoring import characters, rules
from studio.authoring.models import Character, CharacterStatus, ContentRating
from studio.authoring.queries import draft_visible_to
from studio.kit.errors import InvalidError
from studio.kit.text import one_line
from studio.market.catalogue import listings
from studio.market.catalogue.queries import listing_visible_to
from studio.market.models import CharacterPublication, PublicationStatus
from studio.operations import error_log, jobs
from studio.operations.models import ErrorGroup
from studio.operations.queries import error_visible_to
from studio.work.models import JobRun
from studio.work.queries import job_visible_to

Before: TypeAlias = Mapping[str, Any]
"""What a change replaced, in JSON: enough to put it back."""


class Asks(StrEnum):
    """What an action needs to know besides."""

    NOTHING = "nothing"
    TAG = "tag"
    RATING = "rating"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class Step:
    """One row in the hands of an action: who does it, to which row, with what, when."""

    session: Session
    actor: Actor
    row: Any
    argument: str
    now: datetime


@dataclass(frozen=True)
class BulkAction:
    """A kind of change to many rows.

    `change` does it to one locked row and returns what was before, or None where there was nothing to do; it may
    raise any StudioError. `undo` puts back what was before; without it the action cannot be undone.
    """

    name: str
    model: type[Any]
    permissions: tuple[Permission, ...]
    """One of them is enough to be offered the action; the service asks again for each row."""
    visible_to: Callable[[Actor], sa.ColumnElement[bool]]
    change: Callable[[Step], Before | None]
    undo: Callable[[Step, Before], None] | None = None
    asks: Asks = Asks.NOTHING
    needs_proof: bool = False
    """Whether the person must have given their password lately."""

    def offered_to(self, actor: Actor) -> bool:
        """Whether the action is offered to the person at all."""
        return any(actor.may(permission) for permission in self.permissions)

    @property
    def key(self) -> Any:
        """The primary key's column."""
        return getattr(self.model, sa.inspect(self.model).primary_key[0].key)

    @property
    def version(self) -> Any | None:
        """The column that counts a row's changes, where it has one."""
        return getattr(self.model, "row_version", None)

    def title_of(self, row: Any) -> str:
        """What a result calls the row."""
        return str(getattr(row, "name", None) or getattr(row, "title", None) or getattr(row, "error_type", ""))


def cleaned(action: BulkAction, argument: str) -> str:
    """`argument` as the action needs it; raises InvalidError with a sentence for what it cannot use."""
    text = one_line(argument)
    if action.asks is Asks.NOTHING:
        return ""
    if action.asks is Asks.RATING:
        if text not in set(ContentRating):
            raise InvalidError("Choose one of the offered ratings.")
        return text
    if not text:
        sentence = "Write which tag is meant." if action.asks is Asks.TAG else "Write down why: the person may ask."
        raise InvalidError(sentence)
    if action.asks is Asks.TAG:
        tags = rules.tags([text])
        if len(tags) != 1:
            raise InvalidError("Write one tag, without commas.")
        return tags[0]
    return text


def _archive(step: Step) -> Before | None:
    was = step.row.status
    if was is CharacterStatus.ARCHIVED:
        return None
    characters.archive(step.session, actor=step.actor, character_id=step.row.id, now=step.now)
    return {"status": was.value}


def _restore(step: Step) -> Before | None:
    was = step.row.status
    if was is not CharacterStatus.ARCHIVED:
        return None
    characters.restore(step.session, actor=step.actor, character_id=step.row.id, now=step.now)
    return {"status": was.value}


def _unarchive(step: Step, _before: Before) -> None:
    characters.restore(step.session, actor=step.actor, character_id=step.row.id, now=step.now)


def _rearchive(step: Step, _before: Before) -> None:
    characters.archive(step.session, actor=step.actor, character_id=step.row.id, now=step.now)


def _edit(step: Step, changes: Mapping[str, Any]) -> None:
    characters.update(
        step.session,
        actor=step.actor,
        character_id=step.row.id,
        row_version=step.row.row_version,
        changes=changes,
        now=step.now,
    )


def _set_tags(step: Step, tags: list[str]) -> Before | None:
    was = list(step.row.tags)
    if tags == was:
        return None
    _edit(step, {"tags": tags})
    return {"tags": was}


def _add_tag(step: Step) -> Before | None:
    was = list(step.row.tags)
    return _set_tags(step, was if step.argument in was else [*was, step.argument])


def _remove_tag(step: Step) -> Before | None:
    return _set_tags(step, [tag for tag in step.row.tags if tag != step.argument])


def _set_rating(step: Step) -> Before | None:
    was = step.row.content_rating.value
    if was == step.argument:
        return None
    _edit(step, {"content_rating": step.argument})
    return {"content_rating": was}


def _put_back(step: Step, before: Before) -> None:
    _edit(step, before)


def _unlist(step: Step) -> Before | None:
    was = step.row.status
    if was is PublicationStatus.UNLISTED:
        return None
    listings.unlist(step.session, actor=step.actor, publication_id=step.row.id, now=step.now)
    return {"status": was.value}


def _relist(step: Step) -> Before | None:
    was = step.row.status
    if was is PublicationStatus.APPROVED:
        return None
    listings.relist(step.session, actor=step.actor, publication_id=step.row.id, now=step.now)
    return {"status": was.value}


def _relist_again(step: Step, _before: Before) -> None:
    listings.relist(step.session, actor=step.actor, publication_id=step.row.id, now=step.now)


def _unlist_again(step: Step, _before: Before) -> None:
    listings.unlist(step.session, actor=step.actor, publication_id=step.row.id, now=step.now)


def _resolve(step: Step) -> Before | None:
    if step.row.resolved_at is not None:
        return None
    error_log.resolve(step.session, actor=step.actor, fingerprint=step.row.fingerprint, now=step.now)
    return {}


def _reopen(step: Step) -> Before | None:
    if step.row.resolved_at is None:
        return None
    error_log.reopen(step.session, actor=step.actor, fingerprint=step.row.fingerprint)
    return {}


def _cancel_job(step: Step) -> Before:
    jobs.cancel(step.session, actor=step.actor, job_id=step.row.id, now=step.now)
    return {}


def _retry_job(step: Step) -> Before:
    jobs.retry(step.session, actor=step.actor, job_id=step.row.id, now=step.now)
    return {}


def _suspend(step: Step) -> Before | None:
    if step.row.status is UserStatus.SUSPENDED:
        return None
    people.suspend(
        step.session,
        actor=step.actor,
        user_id=step.row.id,
        reason=step.argument,
        row_version=step.row.row_version,
        now=step.now,
    )
    return {}


def _reinstate(step: Step) -> Before | None:
    if step.row.status is not UserStatus.SUSPENDED:
        return None
    reason = step.row.suspension_reason
    people.reinstate(step.session, actor=step.actor, user_id=step.row.id, row_version=step.row.row_version)
    return {"reason": reason}


def _reinstate_again(step: Step, _before: Before) -> None:
    people.reinstate(step.session, actor=step.actor, user_id=step.row.id, row_version=step.row.row_version)


def _suspend_again(step: Step, before: Before) -> None:
    people.suspend(
        step.session,
        actor=step.actor,
        user_id=step.row.id,
        reason=str(before.get("reason") or ""),
        row_version=step.row.row_version,
        now=step.now,
    )


def _end_sessions(step: Step) -> Before:
    people.end_sessions(step.session, actor=step.actor, user_id=step.row.id)
    return {}


def _character(name: str, change: Any, undo: Any, asks: Asks = Asks.NOTHING) -> BulkAction:
    may = (Permission.CHARACTER_WRITE_OWN, Permission.STORY_WRITE)
    return BulkAction(f"characters.{name}", Character, may, draft_visible_to, change, undo, asks)


def _listing(name: str, change: Any, undo: Any) -> BulkAction:
    may = (Permission.LISTING_SUBMIT,)
    return BulkAction(f"listings.{name}", CharacterPublication, may, listing_visible_to, change, undo)


def _error(name: str, change: Any, undo: Any) -> BulkAction:
    return BulkAction(f"errors.{name}", ErrorGroup, (Permission.ERROR_RESOLVE,), error_visible_to, change, undo)


def _job(name: str, change: Any) -> BulkAction:
    may = (Permission.JOB_STEER_OWN, Permission.JOB_STEER_ANY)
    return BulkAction(f"jobs.{name}", JobRun, may, job_visible_to, change)


def _person(name: str, change: Any, undo: Any = None, asks: Asks = Asks.NOTHING) -> BulkAction:
    may = (Permission.PERSON_WRITE,)
    return BulkAction(f"people.{name}", User, may, user_visible_to, change, undo, asks, needs_proof=True)


BULK_ACTIONS: Mapping[str, BulkAction] = {
    action.name: action
    for action in (
        _character("add_tag", _add_tag, _put_back, Asks.TAG),
        _character("remove_tag", _remove_tag, _put_back, Asks.TAG),
        _character("set_rating", _set_rating, _put_back, Asks.RATING),
        _character("archive", _archive, _unarchive),
        _character("restore", _restore, _rearchive),
        _listing("unlist", _unlist, _relist_again),
        _listing("relist", _relist, _unlist_again),
        _error(
            "resolve",
            _resolve,
            lambda step, _before: error_log.reopen(step.session, actor=step.actor, fingerprint=step.row.fingerprint),
        ),
        _error(
            "reopen",
            _reopen,
            lambda step, _before: error_log.resolve(
                step.session, actor=step.actor, fingerprint=step.row.fingerprint, now=step.now
            ),
        ),
        _job("cancel", _cancel_job),
        _job("retry", _retry_job),
        _person("suspend", _suspend, _reinstate_again, Asks.REASON),
        _person("reinstate", _reinstate, _suspend_again),
        _person("end_sessions", _end_sessions),
    )
}
"""Every action by its name, `<list>.<verb>`."""


def find_action(name: str) -> BulkAction | None:
    """The action of that name, or None."""
    return BULK_ACTIONS.get(name)


def row_key(action: BulkAction, text: str) -> Any | None:
    """The primary key that `text` stands for, or None where it stands for none."""
    if action.key.type.python_type is str:
        return text
    try:
        return UUID(text)
    except ValueError:
        return None
