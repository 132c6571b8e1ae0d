"""Makes chats for tests, through the services that people use."""

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import versions
from studio.authoring.models import Character
from studio.authoring.rules import Greetings, ReplyDraft
from studio.chat import assisting, runs, sessions, test_prompts
from studio.chat.assist_prompts import Wish
from studio.chat.models import (
    AssistKind,
    ChatMessage,
    ChatSession,
    MessageRole,
    PromptRun,
    SavedTestPrompt,
    WritingAssist,
)
from studio.chat.rules import Limits
from tests.factories.authoring import NOW, make_character

LIMITS = Limits(window=4096, max_output=200, daily_tokens=0, time_limit=60)


def make_talker(session: Session, *, owner: Actor) -> Character:
    """A character that greets and has a fallback reply."""
    return make_character(
        session,
        owner=owner,
        greetings=Greetings("Well met, {{user}}."),
        replies=[ReplyDraft("The wind takes my words.", 1, "")],
    )


def make_chat(session: Session, *, owner: Actor, character: Character | None = None) -> ChatSession:
    """A test chat of the owner's, greeted."""
    character = character or make_talker(session, owner=owner)
    return sessions.start(session, actor=owner, character_id=character.id, now=NOW)


def make_message(session: Session, *, owner: Actor) -> ChatMessage:
    """What the owner said in a chat, not answered."""
    chat = make_chat(session, owner=owner)
    message = ChatMessage(session_id=chat.id, position=1, role=MessageRole.USER, content="Draw!", created_at=NOW)
    session.add(message)
    session.flush()
    return message


def make_prompt(session: Session, *, owner: Actor, character: Character | None = None) -> SavedTestPrompt:
    """A test prompt of the owner's."""
    character = character or make_talker(session, owner=owner)
    return test_prompts.save(session, actor=owner, character_id=character.id, text="Who are you?", now=NOW)


def make_run(session: Session, *, owner: Actor) -> PromptRun:
    """A run of the owner's, from a version to the draft, waiting for its job."""
    character = make_talker(session, owner=owner)
    make_prompt(session, owner=owner, character=character)
    version = versions.make(session, actor=owner, character_id=character.id, now=NOW)
    return runs.start(session, actor=owner, character_id=character.id, left=version.id, right=None, now=NOW)


def make_assist(session: Session, *, owner: Actor) -> WritingAssist:
    """A help that the owner asked for."""
    character = make_talker(session, owner=owner)
    wanted = assisting.ask(
        session,
        actor=owner,
        character_id=character.id,
        wish=Wish(AssistKind.IMPROVE, "description", "A swordsman."),
        card={},
        limits=LIMITS,
        now=NOW,
    )
    found = session.get(WritingAssist, wanted.assist_id)
    assert found is not None
    return found
