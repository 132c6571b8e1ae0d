"""What is not drawn: prompts before anything is asked for, pictures before anything is kept.

By words on this machine always, and by the moderation model where one is set. A listing that is offered to others is
screened anew, and then by people.
"""

from collections.abc import Mapping

import re2

from studio.kit.errors import StudioError
from studio.media import pixels
from studio.providers.moderation import ModerationProvider, Weighed, words

TIME_LIMIT = 45.0
"""Seconds that the model may take over a prompt, or over one picture."""

_WEIGHED_SIDE = (1024, 1024)
_MINORS = "sexual/minors"
_USUAL = 0.97
# Scores from which nothing is drawn. A person who looks at a listing is called much sooner.
_LIMITS: Mapping[str, float] = {
    _MINORS: 0.3,
    "self-harm/instructions": 0.7,
    "self-harm/intent": 0.8,
    "self-harm": 0.85,
    "illicit/violent": 0.85,
    "hate/threatening": 0.8,
    "harassment/threatening": 0.9,
}
_NEVER = 1.1
_BY_RATING: Mapping[str, Mapping[str, float]] = {
    "sexual": {"general": 0.6, "teen": 0.7, "unrated": 0.7, "mature": 0.95, "explicit": _NEVER},
    "violence/graphic": {"general": 0.8, "teen": 0.9, "unrated": 0.9, "mature": 0.98, "explicit": _NEVER},
}

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
_YOUNG = tuple(re2.compile(pattern, _OPTIONS) for pattern in words.YOUNG)
_EXPLICIT = tuple(re2.compile(pattern, _OPTIONS) for pattern in words.EXPLICIT)


class RefusedPromptError(StudioError):
    """Nothing is drawn of this prompt; whoever wrote it reads why, and what to do."""

    status = 422


class RefusedPictureError(StudioError):
    """A picture that came is not kept."""

    status = 422


def screened_by(moderation: ModerationProvider) -> str:
    """The model that looks at prompts and pictures, for screens; empty where only words are looked at."""
    return (moderation.label or moderation.name) if moderation.is_configured else ""


def refuse_prompt(prompt: str, *, rating: str, moderation: ModerationProvider) -> None:
    """Return where a picture of the prompt may be made; raises RefusedPromptError.

    `rating` is the character's. Where the model is set and cannot be asked, its ProviderError is raised: nothing is drawn
    unseen.
    """
    if any(one.search(prompt) for one in _YOUNG) and any(one.search(prompt) for one in _EXPLICIT):
        raise RefusedPromptError(
            "This prompt has words of young age beside sexual ones. No picture is made of that. Change the prompt and ask "
            "again; it has cost nothing."
        )
    if not moderation.is_configured:
        return
    size = moderation.max_characters
    parts = [prompt[start : start + size] for start in range(0, len(prompt), size)]
    marked = [label for one in moderation.weigh(parts, time_limit=TIME_LIMIT) for label in over(one, rating=rating)]
    if marked:
        raise RefusedPromptError(
            "The moderation model refuses this prompt (%(label)s). No picture was made. Change the prompt, or the "
            "character's content rating if that is what is meant, and ask again; it has cost nothing.",
            label=_first(marked),
        )


def refused(data: bytes, *, rating: str, moderation: ModerationProvider) -> str:
    """What the model refuses a picture for, or nothing. Raises ProviderError where it is set and cannot be asked."""
    if not moderation.is_configured:
        return ""
    shown = pixels.as_jpeg(data, within=_WEIGHED_SIDE)
    weighed = moderation.weigh_picture(shown, media_type="image/jpeg", time_limit=TIME_LIMIT)
    marked = over(weighed, rating=rating)
    return _first(marked) if marked else ""


def all_refused(label: str) -> RefusedPictureError:
    """No picture of a request may be kept."""
    return RefusedPictureError(
        "The moderation model refuses what was drawn (%(label)s). It is not kept, and costs you nothing. Change the prompt, "
        "or the character's content rating if that is what is meant, and ask again.",
        label=label,
    )


def over(weighed: Weighed, *, rating: str) -> list[str]:
    """The categories whose score is over the limit of this rating."""
    return [label for label, score in weighed.scores.items() if score >= _limit(label, rating)]


def _limit(label: str, rating: str) -> float:
    by_rating = _BY_RATING.get(label)
    if by_rating is not None:
        return by_rating.get(rating, by_rating["unrated"])
    return _LIMITS.get(label, _USUAL)


def _first(marked: list[str]) -> str:
    return _MINORS if _MINORS in marked else marked[0]
