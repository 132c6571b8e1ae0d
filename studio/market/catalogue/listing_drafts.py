"""Drafts of listings: begun, gone on with, thrown away, submitted. Nothing of one is checked before it is submitted."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.accounts.rules import fingerprint
from studio.authoring import queries as characters
from studio.authoring.models import Character, CharacterStatus
from studio.editing import common_start
from studio.kit.errors import InvalidError, NotFoundError, StaleError
from studio.kit.money import Money, parse_price
from studio.kit.text import storable
from studio.market.catalogue import queries, rules
from studio.market.catalogue.errors import ListingInvalidError, TooManyDraftsError
from studio.market.models import DRAFT_LENGTHS, CharacterCategory, LicenseType, ListingDraft

RESOURCE = "listing_draft"
_ORDER = ("character_id", "title", "description", "category_id", "tags", "license_type", "price", "currency")
"""The fields as people fill them in."""

MOST_DRAFTS = 100
"""Drafts that one person may have."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a person has typed of a listing, as they typed it."""

    character_id: UUID | None = None
    category_id: UUID | None = None
    title: str = ""
    description: str = ""
    tags: str = ""
    license_type: str = ""
    price: str = ""
    currency: str = ""
    publish_at: str = ""
    to_moderator: str = ""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A draft in a list: whose character it is about, and what is missing or wrong, a sentence for each field."""

    id: UUID
    title: str
    character_name: str
    updated_at: datetime
    missing: tuple[tuple[str, str], ...]


def draft_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Drafts are their writer's alone, whatever anybody's roles."""
    if actor.may(Permission.LISTING_SUBMIT) and actor.user_id is not None:
        return ListingDraft.publisher_id == actor.user_id
    return sa.false()


def begin(session: Session, *, actor: Actor, words: Words, now: datetime) -> ListingDraft:
    """What was typed so far is kept as a draft.

    Raises ForbiddenError, NotFoundError where the character is not the actor's, ListingInvalidError where a text is longer
    than a draft can hold, or TooManyDraftsError.
    """
    actor.must(Permission.LISTING_SUBMIT)
    values = _values(session, actor, words)
    count = session.scalar(sa.select(sa.func.count()).select_from(ListingDraft).where(draft_visible_to(actor)))
    if (count or 0) >= MOST_DRAFTS:
        raise TooManyDraftsError(MOST_DRAFTS)
    draft = ListingDraft(publisher_id=actor.user_id, created_at=now, updated_at=now, **values)
    session.add(draft)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="listing_draft.create",
        resource=RESOURCE,
        resource_id=draft.id,
        after=_told(values),
    )
    return draft


def change(
    session: Session, *, actor: Actor, draft_id: UUID, row_version: int | None, words: Words, now: datetime
) -> ListingDraft:
    """The draft says what was typed. Raises as `begin`, NotFoundError, or StaleError where it was saved elsewhere meanwhile."""
    draft = _locked(session, actor=actor, draft_id=draft_id)
    values = _values(session, actor, words)
    before = {name: getattr(draft, name) for name in values}
    changed = {name: before[name] for name, value in values.items() if before[name] != value}
    if changed and row_version is not None and row_version != draft.row_version:
        raise StaleError
    if not changed:
        return draft
    for name in changed:
        setattr(draft, name, values[name])
    draft.updated_at = now
    session.flush()
    common_start.keep(
        session,
        actor=actor,
        resource=RESOURCE,
        document_id=draft.id,
        row_version=draft.row_version,
        before={name: "" if value is None else str(value) for name, value in changed.items()},
        now=now,
    )
    audit.record_changes(
        session, actor=actor, action="listing_draft.update", resource=RESOURCE, resource_id=draft.id,
        before=_told(before), after=_told(values),
    )  # fmt: skip
    return draft


def discard(session: Session, *, actor: Actor, draft_id: UUID, row_version: int | None) -> None:
    """The draft is gone. Raises ForbiddenError, NotFoundError, or StaleError where it was saved meanwhile."""
    draft = _locked(session, actor=actor, draft_id=draft_id)
    if row_version is not None and row_version != draft.row_version:
        raise StaleError
    _delete(session, draft, actor=actor, action="listing_draft.delete")


def submitted(session: Session, *, actor: Actor, draft_id: UUID, row_version: int | None) -> None:
    """The listing that the draft became is submitted, in this transaction: the draft is not needed any more.

    Raises ForbiddenError, NotFoundError, or StaleError where the draft was saved meanwhile.
    """
    draft = _locked(session, actor=actor, draft_id=draft_id)
    if row_version is not None and row_version != draft.row_version:
        raise StaleError
    _delete(session, draft, actor=actor, action="listing_draft.submit")


def newest(session: Session, *, actor: Actor, limit: int, character_id: UUID | None = None) -> Sequence[ListingDraft]:
    """The actor's own drafts, the last changed first; those about one character where it is named."""
    query = (
        sa.select(ListingDraft)
        .where(draft_visible_to(actor))
        .order_by(ListingDraft.updated_at.desc(), ListingDraft.id.desc())
        .limit(limit)
    )
    if character_id is not None:
        query = query.where(ListingDraft.character_id == character_id)
    return session.scalars(query).all()


def unfinished(session: Session, drafts: Sequence[ListingDraft]) -> list[Unfinished]:
    """What each of these drafts is about and still needs; two statements however many they are."""
    if not drafts:
        return []
    named = {
        row.id: (row.name, row.is_offered)
        for row in session.execute(
            sa.select(
                Character.id,
                Character.name,
                sa.and_(Character.status != CharacterStatus.ARCHIVED, characters.not_in_trash()).label("is_offered"),
            ).where(Character.id.in_({draft.character_id for draft in drafts}))
        )
    }
    open_shelves = queries.open_categories(session, [one.category_id for one in drafts if one.category_id is not None])
    found = []
    for draft in drafts:
        name, is_offered = named.get(draft.character_id, ("", False)) if draft.character_id else ("", False)
        missing = problems(draft, open_shelves=open_shelves)
        if not is_offered:
            missing = {
                "character_id": "Choose a character."
                if not name
                else "This character is archived or thrown away. Restore it first, or choose another.",
                **missing,
            }
        told = sorted(missing.items(), key=lambda one: _ORDER.index(one[0]))
        found.append(Unfinished(draft.id, draft.title, name, draft.updated_at, tuple(told)))
    return found


def problems(draft: ListingDraft, *, open_shelves: Collection[UUID]) -> dict[str, str]:
    """What a submission of the draft's words and terms would be refused for, by field. Pure."""
    wrong: dict[str, str] = {}
    if draft.category_id not in open_shelves:
        wrong["category_id"] = "Choose an open category."
    price, license_type = Money(0, "USD"), LicenseType.FREE
    try:
        price = parse_price(draft.price, draft.currency)
    except InvalidError as error:
        wrong |= error.fields
    try:
        license_type = LicenseType(draft.license_type)
    except ValueError:
        wrong["license_type"] = "Choose a licence."
    try:
        rules.checked_listing(
            title=draft.title,
            description=draft.description,
            tags=rules.split_tags(draft.tags),
            price=price,
            license_type=license_type,
            problems=wrong,
        )
    except ListingInvalidError as error:
        return dict(error.fields)
    return {}


def _locked(session: Session, *, actor: Actor, draft_id: UUID) -> ListingDraft:
    actor.must(Permission.LISTING_SUBMIT)
    draft = session.scalar(
        sa.select(ListingDraft)
        .where(draft_visible_to(actor), ListingDraft.id == draft_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if draft is None:
        raise NotFoundError
    return draft


def _values(session: Session, actor: Actor, words: Words) -> dict[str, Any]:
    """The columns; a foreign character is not found, a shelf that is not there (any more) is none."""
    values = asdict(words)
    too_long: dict[str, str] = {}
    for name, most in DRAFT_LENGTHS.items():
        values[name] = storable(values[name]).replace("\r\n", "\n")
        if len(values[name]) > most:
            too_long[name] = "This is longer than a draft can hold. Shorten it."
    if too_long:
        raise ListingInvalidError(too_long)
    if words.character_id is not None:
        character = characters.get_draft(session, actor=actor, character_id=words.character_id)
        if character.owner_id != actor.user_id:
            raise NotFoundError
    if words.category_id is not None:
        shelf = sa.select(CharacterCategory.id).where(CharacterCategory.id == words.category_id)
        values["category_id"] = session.scalar(shelf)
    return values


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """What the audit keeps of a draft: of its long text the fingerprint."""
    told = {name: "" if value is None else str(value) for name, value in values.items()}
    return told | {"description": fingerprint(told["description"])}


def _delete(session: Session, draft: ListingDraft, *, actor: Actor, action: str) -> None:
    before = {"title": draft.title}
    session.delete(draft)
    session.flush()
    audit.record(session, actor=actor, action=action, resource=RESOURCE, resource_id=draft.id, before=before)
