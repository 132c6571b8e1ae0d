"""What a moderator asked a creator to change, in words and with the place where it is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from admin_views.market.labels import field_label, reason_message, reason_title
from studio.accounts.permissions import Actor
from studio.authoring import rules
from studio.authoring.models import Character
from studio.authoring.queries import may_write
from studio.market.review import queries as review_queries
from studio.market.review.queries import Decided

# The editor's names for fields that cards call otherwise.
_FORM_NAMES = {
    "first_mes": "greeting_first",
    "alternate_greetings": "greeting_alternate",
    "group_only_greetings": "greeting_group_only",
    "mes_example": "example_dialogue",
}


@dataclass(frozen=True)
class Asked:
    """One reason of a rejection as its creator reads it; `field` is empty where it is about the whole.

    `name` is what the editor calls the field, "" where the editor has none for it; `url` leads to where it is changed,
    "" for whoever may not; `decision_url` is the listing's page with the whole decision, where it can be appealed against.
    """

    title: str
    message: str
    comment: str
    field: str
    name: str
    url: str
    decision_url: str
    is_appealed: bool = False
    """Whether the creator has appealed against the decision already."""
    next_url: str = ""
    """Where the next place is that something was asked for; "" at the last one."""


def asked_of(session: Session, *, actor: Actor, character_id: UUID) -> list[Asked]:
    """The reasons that the character's creator has to answer now; none once a new listing is submitted."""
    decided = review_queries.find_asking(session, actor=actor, character_id=character_id)
    if decided is None:
        return []
    character = session.get(Character, character_id)
    decision_url = url_for("listings.details_view", row_id=decided.publication.id)
    asked = [
        Asked(
            title=reason_title(one.reason),
            message=reason_message(one.reason),
            comment=one.comment,
            field=field_label(one.field) if one.field else "",
            name=_name(one.field),
            url=_place(character_id, one.field) if _may_answer(actor, character, one.field) else "",
            decision_url=decision_url,
            is_appealed=decided.appeal is not None,
        )
        for one in decided.feedback
    ]
    places = list(dict.fromkeys(one.url for one in asked if one.url and one.field))
    following = dict(pairwise(places))
    return [replace(one, next_url=following.get(one.url, "")) for one in asked]


def places_of(session: Session, *, actor: Actor, decided: Decided) -> Mapping[str, str]:
    """Where each field is changed that a decision's reasons are tied to, for whoever may change it there."""
    character = session.get(Character, decided.publication.character_id)
    return {
        one.field: _place(decided.publication.character_id, one.field)
        for one in decided.feedback
        if one.field and _may_answer(actor, character, one.field)
    }


def _may_answer(actor: Actor, character: Character | None, field: str) -> bool:
    # Whoever only looks on has no use for a link to a form that is not theirs.
    if character is None or (field.startswith("listing.") and character.owner_id != actor.user_id):
        return False
    return may_write(actor, character)


def _name(field: str) -> str:
    name = _FORM_NAMES.get(field, field)
    return name if name.startswith("greeting_") or name in rules.FIELDS else ""


def _place(character_id: UUID, field: str) -> str:
    if name := _name(field):
        return url_for("characters.edit_view", row_id=character_id, _anchor=f"field-{name}")
    if field.startswith("listing."):
        return url_for("listings.create_view", character_id=character_id)
    if field == "portrait":
        return url_for("characters.details_view", row_id=character_id, _anchor="portrait")
    return url_for("characters.edit_view", row_id=character_id)
