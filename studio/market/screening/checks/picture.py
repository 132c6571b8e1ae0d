"""What the picture tells beside its pixels, and pictures that look like it."""

from collections.abc import Iterator

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Evidence, Finding, about, bounded
from studio.market.screening.checks.submission import Submission

NEAR = 6
HINT = 10
"""Bits of 64 in which two difference hashes may differ: up to NEAR nearly the same picture, up to HINT a hint."""


def _facts(submission: Submission) -> Iterator[Evidence]:
    picture = submission.picture
    if picture is None:
        return
    if picture.has_gps:
        yield about("portrait", "The picture tells where it was taken.", Severity.SEVERE)
    elif picture.has_exif:
        yield about("portrait", "The picture carries details of a camera or a program.", Severity.INFO)
    for keyword, text in picture.texts.items():
        message = "The picture carries a text that is not the card."
        yield about(f"picture.{keyword}", message, Severity.INFO, text=text)
    if picture.is_animated:
        yield about("portrait", "The picture moves.", Severity.INFO)


def _look_alikes(submission: Submission) -> Iterator[Evidence]:
    for twin in submission.similar_pictures:
        is_near = twin.distance <= NEAR
        severity = Severity.WARNING if is_near and not twin.is_same_owner else Severity.INFO
        message = "This picture is nearly the same." if is_near else "This picture is similar."
        yield about("portrait", message, severity, text=twin.name, character_id=twin.character_id)


def _look(submission: Submission) -> Finding:
    return bounded([*_facts(submission), *_look_alikes(submission)])


CHECK = Check("picture", 1, "Picture", _look)
