"""A lorebook's entry as the matching understands it: keys, conditions, chance, order and place."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from studio.cards import coerce, decorators, macros
from studio.cards.decorators import Decorators
from studio.cards.documents import Json
from studio.cards.lore_keys import Key, KeyProblem, read_key, refused, written_pattern

_Choice = TypeVar("_Choice")

_HIDDEN_KEY = re.compile(r"\{\{\s*hidden_key\s*:([^{}]*)\}\}", re.IGNORECASE)

MOST_PATTERNS = 500
"""Further patterns of one book are not run."""

MOST_KEYS = 20_000
"""Further keys of one book are not looked for."""

DEFAULT_DEPTH = 4
"""How deep an entry "at depth" stands where nothing says how deep."""


class PlaceKind(StrEnum):
    """Where in a prompt an entry belongs."""

    BEFORE_CHAR = "before_char"
    AFTER_CHAR = "after_char"
    BEFORE_DESCRIPTION = "before_description"
    AFTER_DESCRIPTION = "after_description"
    PERSONALITY = "personality"
    SCENARIO = "scenario"
    BEFORE_EXAMPLES = "before_examples"
    AFTER_EXAMPLES = "after_examples"
    BEFORE_NOTE = "before_note"
    AFTER_NOTE = "after_note"
    AT_DEPTH = "at_depth"
    FROM_START = "from_start"
    OUTLET = "outlet"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry goes.

    `depth` counts messages from the newest (AT_DEPTH; 0 is after the newest) or from the oldest (FROM_START), and is
    None elsewhere. `role` is system, user or assistant. `outlet` names the `{{outlet::…}}` of an OUTLET.
    """

    kind: PlaceKind
    depth: int | None = None
    role: str = "system"
    outlet: str = ""


class Logic(StrEnum):
    """What the secondary keys of a selective entry must do."""

    AND_ANY = "and_any"
    NOT_ALL = "not_all"
    NOT_ANY = "not_any"
    AND_ALL = "and_all"


LOGICS = (Logic.AND_ANY, Logic.NOT_ALL, Logic.NOT_ANY, Logic.AND_ALL)
"""By SillyTavern's number."""

ROLES = ("system", "user", "assistant")
"""By SillyTavern's number."""

PLACE_NUMBERS = {
    PlaceKind.BEFORE_CHAR: 0,
    PlaceKind.AFTER_CHAR: 1,
    PlaceKind.BEFORE_NOTE: 2,
    PlaceKind.AFTER_NOTE: 3,
    PlaceKind.AT_DEPTH: 4,
    PlaceKind.BEFORE_EXAMPLES: 5,
    PlaceKind.AFTER_EXAMPLES: 6,
    PlaceKind.OUTLET: 7,
}
"""SillyTavern's numbers of the places that it knows."""

# 0 and 1 say no more than the entry's own `position`.
_PLACES = {number: place for place, number in PLACE_NUMBERS.items() if number > 1}
_DECORATED_PLACES = {
    "after_desc": PlaceKind.AFTER_DESCRIPTION,
    "before_desc": PlaceKind.BEFORE_DESCRIPTION,
    "personality": PlaceKind.PERSONALITY,
    "scenario": PlaceKind.SCENARIO,
}


class NotSimulated(StrEnum):
    """What an application may do with an entry beyond what is looked at here."""

    STICKY = "sticky"
    COOLDOWN = "cooldown"
    GROUP = "group"
    BY_MEANING = "by_meaning"
    OTHER_TEXTS = "other_texts"
    FILTERED = "filtered"
    TEXT_CONTEXT = "text_context"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry, read. `index` is its position in the book; `chance` is 0 to 100."""

    index: int
    name: str
    is_enabled: bool
    is_constant: bool
    keys: tuple[Key, ...]
    secondary: tuple[Key, ...]
    logic: Logic | None
    additional: tuple[tuple[Key, ...], ...]
    excluded: tuple[Key, ...]
    excluded_together: tuple[Key, ...]
    scan_depth: int | None
    order: float
    priority: float
    place: Place
    chance: int
    delay: int
    body: str
    decorated: Decorators
    is_out_of_recursion: bool
    starts_no_recursion: bool
    waits_for_recursion: bool
    ignores_budget: bool
    not_simulated: tuple[NotSimulated, ...]

    def all_keys(self) -> tuple[Key, ...]:
        """Every key that somebody may look for."""
        extra = tuple(key for group in self.additional for key in group)
        return (*self.keys, *self.secondary, *extra, *self.excluded, *self.excluded_together)


class EntryReader:
    """Reads the entries of one book; `char` and `user` are the names that macros stand for."""

    def __init__(self, *, char: str, user: str, seed: int) -> None:
        self._char, self._user, self._seed = char, user, seed
        self._patterns = 0
        # The same words are the same key, so that each is looked for once.
        self._known: dict[tuple[str, bool, bool, bool], Key | None] = {}
        self.has_too_many_keys = False

    def text(self, body: str) -> str:
        """The text as a prompt has it, its macros resolved."""
        if "{{" not in body and "<" not in body:
            return body
        return macros.render(body, char=self._char, user=self._user, seed=self._seed)

    def searched(self, body: str) -> str:
        """The text in which other entries' keys are looked for: hidden keys show."""
        return self.text(_HIDDEN_KEY.sub(r"\1", body))

    def read(self, entry: Json, index: int) -> Rule:
        """The rule of one entry of a normalised book; values that make no sense count as absent."""
        extensions = entry.get("extensions") or {}
        decorated, body = decorators.read(entry["content"])
        order = float(entry["insertion_order"])
        priority = coerce.number(entry.get("priority"))

        asked = _asked(entry, extensions, decorated)

        def keys(texts: Iterable[str]) -> tuple[Key, ...]:
            return self._keys(texts, asked) if texts else ()

        secondary = keys(entry.get("secondary_keys", ())) if entry.get("selective") else ()
        return Rule(
            index=index,
            name=entry.get("name") or entry.get("comment") or "",
            is_enabled=bool(entry["enabled"]),
            is_constant=bool(entry.get("constant")),
            keys=keys(entry["keys"]),
            secondary=secondary,
            logic=_pick(LOGICS, _number(extensions, "selectiveLogic")) if secondary else None,
            additional=tuple(group for texts in decorated.additional_keys if (group := keys(texts))),
            excluded=keys(decorated.texts("exclude_keys")),
            excluded_together=keys(decorated.texts("exclude_keys_all")),
            scan_depth=_first(decorated.number("scan_depth"), _number(extensions, "scan_depth")),
            order=order,
            priority=order if priority is None else float(priority),
            place=place_of(entry, extensions, decorated),
            chance=_chance(extensions, decorated),
            delay=_number(extensions, "delay") or 0,
            body=body,
            decorated=decorated,
            is_out_of_recursion=_flag(extensions, "exclude_recursion"),
            starts_no_recursion=_flag(extensions, "prevent_recursion"),
            waits_for_recursion=_flag(extensions, "delay_until_recursion"),
            ignores_budget=_flag(extensions, "ignore_budget"),
            not_simulated=_not_simulated(entry, extensions, decorated),
        )

    def _keys(self, texts: Iterable[str], asked: tuple[bool, bool, bool]) -> tuple[Key, ...]:
        read: dict[Key, None] = {}
        for written in texts:
            text = self.text(written)
            if (text, *asked) not in self._known:
                self._known[text, *asked] = self._key(text, *asked)
            key = self._known[text, *asked]
            if key is not None:
                read[key] = None
        return tuple(read)

    def _key(self, text: str, may_be_pattern: bool, is_exact: bool, is_whole: bool) -> Key | None:  # noqa: FBT001
        if len(self._known) >= MOST_KEYS:
            self.has_too_many_keys = True
            return None
        if may_be_pattern and written_pattern(text.strip()) is not None:
            self._patterns += 1
            if self._patterns > MOST_PATTERNS:
                return refused(text, KeyProblem.TOO_MANY)
        return read_key(text, may_be_pattern=may_be_pattern, is_exact=is_exact, is_whole=is_whole)


def place_of(entry: Json, extensions: Mapping[str, Any], decorated: Decorators) -> Place:
    """Where the entry goes: its decorators decide, then SillyTavern's extension, then its `position`."""
    role = decorated.text("role") or _pick(ROLES, _number(extensions, "role"))
    if position := decorated.text("position"):
        return Place(_DECORATED_PLACES[position], role=role)
    if (depth := decorated.number("depth")) is not None:
        return Place(PlaceKind.AT_DEPTH, max(0, depth), role)
    if (depth := decorated.number("reverse_depth")) is not None:
        return Place(PlaceKind.FROM_START, max(0, depth), role)
    own = PlaceKind.AFTER_CHAR if entry.get("position") == "after_char" else PlaceKind.BEFORE_CHAR
    kind = _PLACES.get(_first(_number(extensions, "position"), 0) or 0, own)
    if kind is PlaceKind.AT_DEPTH:
        depth = _number(extensions, "depth")
        return Place(kind, DEFAULT_DEPTH if depth is None else max(0, depth), role)
    outlet = str(extensions.get("outlet_name") or "") if kind is PlaceKind.OUTLET else ""
    return Place(kind, role=role, outlet=outlet)


def _asked(entry: Json, extensions: Mapping[str, Any], decorated: Decorators) -> tuple[bool, bool, bool]:
    """Whether the entry's keys may be patterns, whether letters count, and whether they are whole words."""
    is_exact = entry.get("case_sensitive")
    if is_exact is None:
        is_exact = coerce.boolean(extensions.get("case_sensitive"))
    is_whole = coerce.boolean(extensions.get("match_whole_words"))
    if decorated.has("match_full_word") or decorated.has("match_partial_word"):
        is_whole = decorated.has("match_full_word")
    return bool(entry.get("use_regex")), bool(is_exact), bool(is_whole)


def _chance(extensions: Mapping[str, Any], decorated: Decorators) -> int:
    if decorated.has("activate"):
        return 100
    is_used = coerce.boolean(extensions.get("useProbability", True)) is not False
    chance = _first(decorated.number("probability"), _number(extensions, "probability") if is_used else None, 100)
    return max(0, min(100, 100 if chance is None else chance))


def _not_simulated(entry: Json, extensions: Mapping[str, Any], decorated: Decorators) -> tuple[NotSimulated, ...]:
    if not extensions and not decorated.values and "characterFilter" not in entry:
        return ()
    seen = {
        NotSimulated.STICKY: bool(_number(extensions, "sticky")),
        NotSimulated.COOLDOWN: bool(_number(extensions, "cooldown")),
        NotSimulated.GROUP: bool(extensions.get("group")),
        NotSimulated.BY_MEANING: _flag(extensions, "vectorized"),
        NotSimulated.OTHER_TEXTS: any(
            _flag(extensions, f"match_{source}")
            for source in (
                "persona_description",
                "character_description",
                "character_personality",
                "character_depth_prompt",
                "scenario",
                "creator_notes",
            )
        ),
        NotSimulated.FILTERED: bool(extensions.get("triggers") or entry.get("characterFilter")),
        NotSimulated.TEXT_CONTEXT: any(
            decorated.has(name) for name in ("instruct_depth", "reverse_instruct_depth", "instruct_scan_depth")
        ),
    }
    return tuple(what for what, is_so in seen.items() if is_so)


def _number(owner: Mapping[str, Any], key: str) -> int | None:
    value = coerce.number(owner.get(key))
    return None if value is None else int(value)


def _flag(owner: Mapping[str, Any], key: str) -> bool:
    value = owner.get(key)
    # SillyTavern's delay_until_recursion may be a level.
    return bool(coerce.boolean(value)) or (isinstance(value, int | float) and value > 0)


def _pick(choices: tuple[_Choice, ...], number: int | None) -> _Choice:
    return choices[number] if number is not None and 0 <= number < len(choices) else choices[0]


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
