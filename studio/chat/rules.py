"""How much a chat may be, which fallback reply is said, and what an answer counts: pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from studio.authoring import reply_choice
from studio.authoring.rules import ReplyDraft, tokens
from studio.chat.errors import DoesNotFitError, EmptyMessageError, LongMessageError
from studio.chat.models import ANSWER_LENGTH, MESSAGE_LENGTH, NAME_LENGTH
from studio.kit.errors import StudioError
from studio.kit.text import excerpt, is_cjk, one_line, storable
from studio.providers.errors import NoModelError
from studio.providers.language import Finish, Prices

MOST_MESSAGES = 400
"""Positions that a chat may have."""

MOST_SWIPES = 50
"""Answers to one message that are kept."""

MOST_AT_ONCE = 2
"""Answers that one person may have written at once."""

MOST_PER_MINUTE = 30
"""Answers that one person may ask for in a minute."""

MOST_ASSISTS_PER_MINUTE = 12
MOST_PROMPTS = 50
"""Test prompts that a person may keep for a character: a run answers each of them twice."""

MOST_KEPT_CHATS = 50
"""Chats that one person keeps with one character; the oldest go."""

TEST_CHATS_ARE_KEPT = timedelta(days=90)
GRACE = timedelta(seconds=30)
"""An answer that is written for so much longer than it may be has lost its process."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings allow: tokens of the window, of an answer, and of a person's day; seconds of an answer."""

    window: int
    max_output: int
    daily_tokens: int
    time_limit: float

    @property
    def patience(self) -> timedelta:
        """How long after its beginning an answer may still be under way."""
        return timedelta(seconds=self.time_limit) + GRACE


@dataclass(frozen=True, slots=True)
class Count:
    """What an answer took, as rows keep it."""

    model: str
    tokens_in: int
    tokens_out: int
    is_counted: bool
    cost_micro: int | None
    currency: str


def message_text(text: str) -> str:
    """A person's message as it is kept; raises EmptyMessageError or LongMessageError."""
    kept = storable(text).strip()
    if not kept:
        raise EmptyMessageError
    if len(kept) > MESSAGE_LENGTH:
        raise LongMessageError(most=MESSAGE_LENGTH)
    return kept


def answer_text(text: str) -> str:
    """A model's text as it is kept."""
    return storable(text)[:ANSWER_LENGTH]


def user_name(text: str) -> str:
    """The name under which a person chats."""
    return excerpt(one_line(text), NAME_LENGTH) or "User"


def language_of(text: str) -> str:
    """Which of the two languages of the studio a text is in, roughly: whoever writes Chinese signs is answered in it."""
    return "zh" if is_cjk(text) else "en"


def pick_reply(replies: Sequence[Mapping[str, Any]], *, language: str, seed: int) -> str | None:
    """The fallback reply to say, or None where the character has none: by the rule that the editor shows.

    Equal seeds pick alike.
    """
    drafts = [
        ReplyDraft(str(reply["content"]), int(reply.get("weight") or 1), str(reply.get("language") or ""))
        for reply in replies
    ]
    # Nothing depends on these dice but variety.
    place = reply_choice.choose(drafts, dice=random.Random(seed), language=language)  # noqa: S311
    return None if place is None else drafts[place].content


def counted(finish: Finish | None, *, model: str, prompt_tokens: int, text: str, prices: Prices) -> Count:
    """What an answer took: by the server's count where it gave one, else by our estimate."""
    usage = finish.usage if finish is not None else None
    named = finish.model if finish is not None else model
    tokens_in = usage.tokens_in if usage is not None else prompt_tokens
    tokens_out = usage.tokens_out if usage is not None else tokens(text)
    return Count(
        model=named,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        is_counted=usage is not None,
        cost_micro=prices.cost_micro(named, tokens_in=tokens_in, tokens_out=tokens_out),
        currency=prices.currency,
    )


def is_to_report(error: BaseException) -> bool:
    """Whether staff have something to look into: no model at all, or a text that is too long for it, is told to the person."""
    return not isinstance(error, (NoModelError, DoesNotFitError))


def failure_of(error: StudioError) -> dict[str, Any]:
    """A refusal as a row keeps it: the sentence under which it is translated, and its values."""
    return {"msgid": error.msgid, "params": {key: _plain(value) for key, value in error.params.items()}}


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, (int, float, str)) else str(value)
