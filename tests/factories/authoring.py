"""Makes characters and cards for tests, through the services that people use."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import card_batches, card_imports, characters, official, stories
from studio.authoring.models import CardBatch, CardDocument, Character, CharacterStatus, OnDuplicate, Story
from studio.authoring.rules import Greetings, ReplyDraft
from studio.cards.writer import write_card
from studio.providers.storage import Storage
from tests.factories.media import picture

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

_numbers = count(1)


def card_document(**data: Any) -> dict[str, Any]:
    """A V3 card's document; `data` replaces or adds keys of its `data`."""
    return {
        "spec": "chara_card_v3",
        "spec_version": "3.0",
        "data": {
            "name": "独孤求败",
            "description": "{{char}} is a swordsman who looks for one defeat. 剑魔，一生求一败而不可得。",
            "personality": "proud, lonely",
            "scenario": "A mountain valley with a giant condor.",
            "first_mes": "You came for my sword?",
            "mes_example": "<START>\n{{user}}: Hello\n{{char}}: Draw.",
            "creator_notes": "",
            "system_prompt": "",
            "post_history_instructions": "",
            "alternate_greetings": ["The condor cries.", "剑冢之前，何人到此？"],
            "group_only_greetings": [],
            "tags": ["wuxia", "武侠"],
            "creator": "somebody",
            "character_version": "1",
            "extensions": {"somebody/else": {"kept": True}},
            **data,
        },
    }


def card_file(as_: str = "png", *, portrait: bytes | None = None, **data: Any) -> bytes:
    """A card's file; `data` goes into `card_document`."""
    shown = picture() if portrait is None and as_ != "json" else portrait
    return write_card(card_document(**data), to="v3", as_=as_, picture=shown, now=NOW).data


def json_card(**data: Any) -> bytes:
    """A card's JSON as somebody's program wrote it."""
    return json.dumps(card_document(**data), ensure_ascii=False).encode()


def make_character(
    session: Session,
    *,
    owner: Actor,
    status: CharacterStatus = CharacterStatus.DRAFT,
    greetings: Greetings | None = None,
    replies: list[ReplyDraft] | None = None,
    now: datetime = NOW,
    **changes: Any,
) -> Character:
    """A character that `owner` wrote here; `changes` are its fields, the name is made up where none is given."""
    changes.setdefault("name", f"Character {next(_numbers)}")
    character = characters.create(session, actor=owner, changes=changes, now=now)
    if greetings is not None or replies is not None:
        characters.update(
            session,
            actor=owner,
            character_id=character.id,
            row_version=character.row_version,
            changes={},
            greetings=greetings,
            replies=replies,
            now=now,
        )
    if status is not CharacterStatus.DRAFT:
        character.status = status
        session.flush()
    return character


def make_story(session: Session, *, staff: Actor, now: datetime = NOW, **values: Any) -> Story:
    """A story of the staff's; its title is made up where none is given."""
    return stories.create(session, actor=staff, now=now, **{"title": f"Story {next(_numbers)}", **values})


def make_official(session: Session, *, staff: Actor, story: Story, name: str = "", now: datetime = NOW) -> Character:
    """An official character of the story."""
    return official.create(session, actor=staff, story_id=story.id, name=name or f"Officer {next(_numbers)}", now=now)


def make_preview(
    session: Session, *, actor: Actor, storage: Storage, data: bytes | None = None, filename: str = "card.png"
) -> CardDocument:
    """A card that `actor` uploaded and has not confirmed."""
    return card_imports.preview(
        session, actor=actor, storage=storage, data=data or card_file(), filename=filename, now=NOW
    )


def import_character(
    session: Session, *, actor: Actor, storage: Storage, data: bytes | None = None, filename: str = "card.png"
) -> Character:
    """A character that came from a card."""
    document = make_preview(session, actor=actor, storage=storage, data=data, filename=filename)
    return card_imports.confirm(session, actor=actor, document_id=document.id, now=NOW)


def make_batch(
    session: Session,
    *,
    actor: Actor,
    storage: Storage | None = None,
    given: list[tuple[str, bytes]] | None = None,
    on_duplicate: OnDuplicate = OnDuplicate.SKIP,
) -> CardBatch:
    """A bulk import of `actor`'s that takes files still, with those that are given."""
    batch = card_batches.open_batch(session, actor=actor, on_duplicate=on_duplicate, now=NOW)
    if storage is not None and given:
        card_batches.receive(session, actor=actor, storage=storage, batch_id=batch.id, given=given)
    return batch
