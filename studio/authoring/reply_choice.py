"""Which fallback reply is said: by language and weight, as the editor shows it and a chat does it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from studio.authoring.rules import ReplyDraft

MOST_TRIES = 10_000


@dataclass(frozen=True)
class Chance:
    """How likely one reply is to be said, from 0 to 1, and how often it was in the tries that were made."""

    place: int
    share: float
    said: int = 0


def fits(reply: ReplyDraft, language: str) -> bool:
    """Whether a reply may be said in a language: an empty language fits all, and "zh" fits zh-Hans and zh-Hant."""
    asked, own = _parts(language), _parts(reply.language)
    shorter = min(len(asked), len(own))
    return asked[:shorter] == own[:shorter]


def weights(replies: Sequence[ReplyDraft], *, language: str = "") -> list[int]:
    """The weight of each reply that may be said in the language, 0 for the others.

    Where none fits, every one may be said: a reply in another language is better than silence.
    """
    fitting = [max(0, reply.weight) if fits(reply, language) else 0 for reply in replies]
    return fitting if any(fitting) else [max(0, reply.weight) for reply in replies]


def choose(replies: Sequence[ReplyDraft], *, dice: random.Random, language: str = "") -> int | None:
    """The place of the reply that is said, or None where there is none to say. Equal dice choose equally."""
    given = weights(replies, language=language)
    return dice.choices(range(len(replies)), given)[0] if any(given) else None


def chances(
    replies: Sequence[ReplyDraft], *, language: str = "", tries: int = 0, dice: random.Random | None = None
) -> list[Chance]:
    """The chance of each reply in its order; the chances of all add up to 1 where there is anything to say.

    Where `dice` are given, `tries` draws (at most 10,000) are made with them and counted.
    """
    given = weights(replies, language=language)
    total = sum(given)
    said = [0] * len(replies)
    if dice is not None and total:
        for place in dice.choices(range(len(replies)), given, k=min(tries, MOST_TRIES)):
            said[place] += 1
    return [Chance(place, weight / total if total else 0.0, said[place]) for place, weight in enumerate(given)]


def _parts(language: str) -> list[str]:
    return language.replace("_", "-").casefold().split("-") if language else []
