"""What the desk's page shows of a card: its texts in groups, with the evidence marked where it stands."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.market.labels import FIELD_LABELS, path_label
from studio.authoring import fields
from studio.cards import macros
from studio.market.catalogue.rules import TAG_LENGTH
from studio.market.models import CharacterPublication, ScreeningResult, Severity
from studio.market.review.marking import LONGEST, Segment, segments
from studio.market.screening.checks import MODEL_CHECKS
from studio.market.screening.checks.submission import Submission, Text

_MOST_SHOWN = 300_000
"""Characters of all texts together; the whole card can be downloaded."""

_MOST_LINES = 250
_TAGS = ("listing.tags[", "data.tags[")
_GREETINGS = ("first_mes", "alternate_greetings", "group_only_greetings")
_GROUPS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("listing", _l("Listing"), ("listing.",)),
    ("greetings", _l("Greetings"), tuple(f"data.{name}" for name in _GREETINGS)),
    *(
        (name, FIELD_LABELS[name], (f"data.{name}",))
        for name in (
            "description",
            "personality",
            "scenario",
            "mes_example",
            "system_prompt",
            "post_history_instructions",
            "creator_notes",
        )
    ),
    ("replies", _l("Fallback replies"), ("studio.fallback_replies",)),
    ("character_book", _l("Lorebook"), ("data.character_book",)),
    ("picture", _l("Texts in the picture"), ("picture.",)),
    ("identity", _l("Name, tags, origin"), ("data.name", "data.nickname", "data.tags", "data.creator", "data.source")),
)
_REST = ("rest", _l("Everything else in the card"))
_OPEN = {"listing", "greetings", "description"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of the card; `left_out` counts the characters that are not shown."""

    path: str
    anchor: str
    label: str
    segments: Sequence[Segment]
    left_out: int
    is_key: bool = False
    is_tag: bool = False
    """A tag of ordinary length; the page shows a group's tags in one row."""
    preview: str = ""
    """A greeting as a chat would show it, macros resolved; plain text."""


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that are folded together."""

    name: str
    label: str
    texts: Sequence[Shown]
    marks: int
    left_out: int
    is_open: bool


_MODELS = frozenset(check.name for check in MODEL_CHECKS)


@dataclass(frozen=True, slots=True)
class CheckShown:
    """One check's result beside the card."""

    name: str
    severity: Severity | None
    evidence: Sequence[tuple[Mapping[str, Any], str]]
    """Each with the anchor of the text that it marks, "" where the text is not shown."""
    version: int = 1
    source: str = ""
    is_failed: bool = False
    """The model could not be asked, or the check broke; the evidence says why."""
    is_model: bool = False


def submission_of(
    publication: CharacterPublication, *, card: Mapping[str, Any], studio: Mapping[str, Any]
) -> Submission:
    """The texts of a listing as the checks saw them."""
    listing = {"title": publication.title, "description": publication.description, "tags": list(publication.tags)}
    return Submission(card=card, listing=listing, studio=studio)


def groups_of(submission: Submission, results: Iterable[ScreeningResult]) -> list[Group]:
    """Every text of the card in its group, marked; keys and machine settings are shown where they are marked."""
    evidence: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for result in results:
        for item in result.evidence:
            place = (str(item.get("path", "")), bool(item.get("is_key")))
            evidence.setdefault(place, []).append({**item, "check": result.check_name})
    char = macros.display_name(dict(submission.data)) or "?"
    language = fields.language_in(submission.studio)
    sorted_texts: dict[str, list[Text]] = {}
    for text in submission.texts:
        marked = (text.path, text.is_key) in evidence
        if marked or not text.is_key:
            sorted_texts.setdefault(_group_of(text.path), []).append(text)
    budget = _MOST_SHOWN
    groups: list[Group] = []
    for name, label, _prefixes in (*_GROUPS, (*_REST, ())):
        texts = sorted_texts.get(name, [])
        if not texts:
            continue
        # What is marked is shown first of all where there is more than a page can hold.
        kept = texts if len(texts) <= _MOST_LINES else _most_telling(texts, evidence)
        shown = []
        for text in kept:
            one = _shown(
                text,
                evidence.get((text.path, text.is_key), ()),
                longest=min(LONGEST, max(budget, 200)),
                char=char,
                language=language,
            )
            budget -= len(text.value) - one.left_out
            shown.append(one)
        marks = sum(1 for one in shown for segment in one.segments if segment.evidence)
        groups.append(Group(name, str(label), shown, marks, len(texts) - len(kept), is_open=name in _OPEN or marks > 0))
    return groups


def checks_of(results: Iterable[ScreeningResult], groups: Iterable[Group]) -> list[CheckShown]:
    """The results in the order of their weight, each piece of evidence with the way to its text."""
    anchors = {(text.path, text.is_key): text.anchor for group in groups for text in group.texts}
    order = {Severity.SEVERE: 0, Severity.WARNING: 1, Severity.INFO: 2, None: 3}
    shown = [
        CheckShown(
            result.check_name,
            result.severity,
            [
                (item, anchors.get((str(item.get("path", "")), bool(item.get("is_key"))), ""))
                for item in result.evidence
            ],
            version=result.check_version,
            source=result.source,
            is_failed=result.is_failed,
            is_model=result.check_name in _MODELS,
        )
        for result in results
    ]
    return sorted(shown, key=lambda check: (not check.is_failed, order[check.severity]))


def _group_of(path: str) -> str:
    for name, _label, prefixes in _GROUPS:
        for prefix in prefixes:
            if path == prefix or path.startswith((prefix if prefix.endswith(".") else f"{prefix}.", f"{prefix}[")):
                return name
    return _REST[0]


def _most_telling(texts: Sequence[Text], evidence: Mapping[tuple[str, bool], Any]) -> list[Text]:
    marked = [text for text in texts if (text.path, text.is_key) in evidence][:_MOST_LINES]
    chosen = {id(text) for text in marked}
    plain = [text for text in texts if id(text) not in chosen][: _MOST_LINES - len(marked)]
    chosen.update(id(text) for text in plain)
    return [text for text in texts if id(text) in chosen]


def _shown(text: Text, evidence: Iterable[Mapping[str, Any]], *, longest: int, char: str, language: str) -> Shown:
    is_greeting = text.path.startswith(tuple(f"data.{name}" for name in _GREETINGS)) and not text.is_key
    is_tag = text.path.startswith(_TAGS) and not text.is_key and len(text.value) <= TAG_LENGTH
    reader = macros.reader_in(text.value, language=language) if is_greeting else ""
    label = _("Name of a field") if text.is_key else path_label(text.path.partition("[")[0] if is_tag else text.path)
    return Shown(
        path=text.path,
        anchor="t" + hashlib.blake2s(f"{text.path}{text.is_key}".encode(), digest_size=6).hexdigest(),
        label=label,
        segments=segments(text.value, evidence, longest=longest),
        left_out=max(0, len(text.value) - longest),
        is_key=text.is_key,
        is_tag=is_tag,
        preview=macros.render(text.value[:longest], char=char, user=reader) if is_greeting else "",
    )
