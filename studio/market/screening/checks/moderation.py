"""What a moderation model says of every text of the card and of its picture, against limits for its rating."""

from collections.abc import Iterator, Mapping, Sequence
from time import monotonic

from studio.market.models import Severity
from studio.market.screening.checks.base import Evidence, Finding, about, bounded, passage
from studio.market.screening.checks.models import TIME_LIMIT, ModelCheck, Models, Span, cut, packed, spans
from studio.market.screening.checks.submission import Submission
from studio.providers.moderation import Weighed

_MARKED = "The moderation model marks this."
_MARKED_PICTURE = "The moderation model marks the picture."
_TOO_MUCH = "The card is longer than a model is asked about; its end was screened by rules only."
_TOO_LARGE = "The picture is larger than the model takes; it was not shown to it."

_PACK = 2_000
_FINE = 500
_MOST_REFINED = 12
"""Marked pieces whose passages are looked at one by one; a card with more is marked in larger pieces."""

_MINORS = "sexual/minors"
_SEVERE = {_MINORS, "self-harm/instructions", "illicit/violent"}
_USUAL = 0.7
# Scores from which a person should look. Fiction tells of violence and love: what its rating announces is no news.
_ALWAYS: Mapping[str, float] = {
    _MINORS: 0.15,
    "self-harm/intent": 0.5,
    "self-harm/instructions": 0.4,
    "self-harm": 0.6,
    "illicit/violent": 0.5,
    "hate": 0.6,
    "hate/threatening": 0.5,
    "harassment": 0.85,
    "harassment/threatening": 0.75,
}
_NEVER = 1.1
_BY_RATING: Mapping[str, Mapping[str, float]] = {
    "sexual": {"general": 0.3, "teen": 0.4, "unrated": 0.4, "mature": 0.85, "explicit": _NEVER},
    "violence": {"general": 0.7, "teen": 0.85, "unrated": 0.8, "mature": 0.97, "explicit": 0.97},
    "violence/graphic": {"general": 0.4, "teen": 0.6, "unrated": 0.5, "mature": 0.9, "explicit": 0.95},
}


def limit(category: str, *, rating: str) -> float:
    """The score from which a person should look at something of this category under this rating."""
    by_rating = _BY_RATING.get(category)
    if by_rating is not None:
        return by_rating.get(rating, by_rating["unrated"])
    return _ALWAYS.get(category, _USUAL)


def _source(models: Models) -> str:
    if not models.moderation.is_configured:
        return ""
    # Settings that cannot be right have no model to name, and must come to light all the same.
    return models.moderation.label or models.moderation.name


def _look(submission: Submission, models: Models) -> Finding:
    ends = monotonic() + TIME_LIMIT
    longest = models.moderation.max_characters
    found, is_all = spans(submission, longest=longest)
    packs = packed(found, longest=min(_PACK, longest))
    evidence: list[Evidence] = []
    refined = 0
    for pack, weighed in zip(packs, _weigh(models, packs, ends), strict=True):
        marks = _marks(weighed, submission.rating)
        if not marks:
            continue
        if refined < _MOST_REFINED:
            refined += 1
            evidence += _refined(models, pack, submission.rating, marks, ends)
        else:
            evidence += [_evidence(span, marks) for span in pack]
    evidence += _picture(submission, models, ends)
    if not is_all:
        evidence.append(about("data", _TOO_MUCH, Severity.WARNING))
    return bounded(evidence)


def _weigh(models: Models, packs: Sequence[Sequence[Span]], ends: float) -> list[Weighed]:
    texts = ["\n".join(span.value for span in pack) for pack in packs]
    models.meter.count(len(texts))
    return models.moderation.weigh(texts, time_limit=max(0.0, ends - monotonic()))


def _refined(
    models: Models, pack: Sequence[Span], rating: str, marks: Mapping[str, float], ends: float
) -> Iterator[Evidence]:
    """Which passages of a marked piece it was; the whole piece where no passage alone is over the limit."""
    fine = [part for span in pack for part in cut(span, longest=_FINE)]
    if len(fine) == 1:
        yield _evidence(fine[0], marks)
        return
    hits: list[tuple[Span, Mapping[str, float]]] = [
        (span, own)
        for span, weighed in zip(fine, _weigh(models, [[span] for span in fine], ends), strict=True)
        if (own := _marks(weighed, rating))
    ]
    if not hits:
        hits = [(span, marks) for span in pack]
    for span, found in hits:
        yield _evidence(span, found)


def _picture(submission: Submission, models: Models, ends: float) -> Iterator[Evidence]:
    data = submission.portrait() if submission.picture is not None else None
    if data is None or submission.picture is None:
        return
    if len(data) > models.moderation.max_picture_bytes:
        yield about("portrait", _TOO_LARGE, Severity.WARNING)
        return
    models.meter.count()
    weighed = models.moderation.weigh_picture(
        data, media_type=submission.picture.media_type, time_limit=max(0.0, ends - monotonic())
    )
    marks = _marks(weighed, submission.rating)
    for label, score in marks.items():
        is_grave = label == _MINORS
        yield about("portrait", _MARKED_PICTURE, _severity([label]), label=label, score=score, is_grave=is_grave)


def _marks(weighed: Weighed, rating: str) -> dict[str, float]:
    """The categories that are over their limit, the surest first."""
    over = {name: score for name, score in weighed.scores.items() if score >= limit(name, rating=rating)}
    return dict(sorted(over.items(), key=lambda item: (item[0] != _MINORS, -item[1])))


def _evidence(span: Span, marks: Mapping[str, float]) -> Evidence:
    label, score = next(iter(marks.items()))
    return passage(
        span.text,
        span.start,
        span.end,
        _MARKED,
        _severity(marks),
        label=label,
        score=round(score, 3),
        is_grave=_MINORS in marks,
    )


def _severity(labels: Sequence[str] | Mapping[str, float]) -> Severity:
    return Severity.SEVERE if any(label in _SEVERE for label in labels) else Severity.WARNING


CHECK = ModelCheck("moderation", 1, "Moderation model", _source, _look)
