"""Lorebooks of characters for tests, small and large."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import lorebooks
from studio.authoring.models import Character, Lorebook
from studio.cards.lore_values import blank, with_values
from tests.factories.authoring import NOW, make_character


def entry_document(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A normalised entry; `changes` by the names that people edit."""
    usual = {
        "name": f"Entry {number}",
        "keys": [f"key{number}", f"topic {number}"],
        "content": f"What there is to know of {number}.",
        "insertion_order": number,
    }
    return with_values(blank(), usual | changes)


def make_lorebook(
    session: Session,
    *,
    owner: Actor,
    entries: int | list[dict[str, Any]] = 3,
    character: Character | None = None,
    now: datetime = NOW,
    **settings: Any,
) -> Lorebook:
    """A character's lorebook with so many entries, or with these."""
    if character is None:
        character = make_character(session, owner=owner, now=now)
    documents = [entry_document(number) for number in range(entries)] if isinstance(entries, int) else entries
    lorebook = lorebooks.replace(session, character, {"extensions": {}, **settings, "entries": documents})
    assert lorebook is not None
    return lorebook
