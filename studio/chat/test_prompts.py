"""Saved test prompts: what a person says to every new version of a character."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.queries import get_draft
from studio.chat import queries, rules
from studio.chat.errors import TooManyPromptsError
from studio.chat.models import MessageRole, SavedTestPrompt
from studio.kit.errors import ForbiddenError, InvalidError


def save(session: Session, *, actor: Actor, character_id: UUID, text: str, now: datetime) -> SavedTestPrompt:
    """The text is among the actor's test prompts for the character, once however often it is saved.

    Raises ForbiddenError, NotFoundError, InvalidError or TooManyPromptsError.
    """
    actor.must(Permission.CHAT_TEST)
    if actor.user_id is None:
        raise ForbiddenError
    character = get_draft(session, actor=actor, character_id=character_id)
    kept = rules.message_text(text)
    session.execute(
        sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"chat.prompts:{actor.user_id}", 0)))
    )
    known = queries.list_prompts(session, actor=actor, character_id=character.id)
    for prompt in known:
        if prompt.content == kept:
            return prompt
    if len(known) >= rules.MOST_PROMPTS:
        raise TooManyPromptsError(most=rules.MOST_PROMPTS)
    prompt = SavedTestPrompt(character_id=character.id, owner_id=actor.user_id, content=kept, created_at=now)
    session.add(prompt)
    session.flush()
    return prompt


def save_message(session: Session, *, actor: Actor, message_id: UUID, now: datetime) -> SavedTestPrompt:
    """What the actor said in a chat is among their test prompts. Raises NotFoundError, InvalidError as `save` does."""
    message = queries.get_message(session, actor=actor, message_id=message_id)
    if message.role is not MessageRole.USER:
        raise InvalidError("Only your own messages can be saved as test prompts.")
    chat = queries.get_session(session, actor=actor, session_id=message.session_id)
    return save(session, actor=actor, character_id=chat.character_id, text=message.content, now=now)


def delete(session: Session, *, actor: Actor, prompt_id: UUID) -> UUID:
    """The test prompt is gone; answers to it in earlier runs stay. Returns the character's id. Raises NotFoundError."""
    prompt = queries.get_prompt(session, actor=actor, prompt_id=prompt_id)
    character_id = prompt.character_id
    session.delete(prompt)
    session.flush()
    return character_id
