"""What the codes of lorebooks are called on screens."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from studio.authoring.lorebook_bulk import Act
from studio.authoring.lorebook_imports import Fate
from studio.cards.lore_conditions import Missing
from studio.cards.lore_entries import Logic, NotSimulated, PlaceKind
from studio.cards.lore_keys import Key, KeyProblem
from studio.cards.lore_matching import Cause, Dropped, Limit

ROLES = {"system": _l("system"), "user": _l("user"), "assistant": _l("character")}

PLACES = {
    PlaceKind.BEFORE_CHAR: _l("before the definition"),
    PlaceKind.AFTER_CHAR: _l("after the definition"),
    PlaceKind.AT_DEPTH: _l("in the chat, at a depth"),
    PlaceKind.BEFORE_NOTE: _l("before the author's note"),
    PlaceKind.AFTER_NOTE: _l("after the author's note"),
    PlaceKind.BEFORE_EXAMPLES: _l("before the examples"),
    PlaceKind.AFTER_EXAMPLES: _l("after the examples"),
    PlaceKind.OUTLET: _l("in an outlet"),
    PlaceKind.BEFORE_DESCRIPTION: _l("before the description"),
    PlaceKind.AFTER_DESCRIPTION: _l("after the description"),
    PlaceKind.PERSONALITY: _l("with the personality"),
    PlaceKind.SCENARIO: _l("with the scenario"),
    PlaceKind.FROM_START: _l("in the chat, from its start"),
}
LOGICS = {
    Logic.AND_ANY: _l("any of them must stand there too"),
    Logic.AND_ALL: _l("all of them must stand there too"),
    Logic.NOT_ANY: _l("none of them may stand there"),
    Logic.NOT_ALL: _l("not all of them may stand there"),
}
STATES = {
    "on": _l("on"),
    "off": _l("off"),
    "constant": _l("always in"),
    "pattern": _l("with patterns"),
    "keyless": _l("without keys"),
    "empty": _l("without a text"),
}
ORDERS = {
    "book": _l("as in the book"),
    "order": _l("by order in the prompt"),
    "name": _l("by name"),
    "tokens": _l("longest first"),
}
ACTS = {
    Act.ENABLE: _l("Switch on"),
    Act.DISABLE: _l("Switch off"),
    Act.CONSTANT: _l("Always in"),
    Act.BY_KEYS: _l("Only by keys"),
    Act.PLACE: _l("Set the place"),
    Act.RENUMBER: _l("Renumber the order"),
    Act.ADD_KEY: _l("Add a key"),
    Act.REMOVE_KEY: _l("Remove a key"),
}
KEPT = {
    "delete": _l("Entries were deleted"),
    "append": _l("A file was added"),
    "replace": _l("The book was replaced by a file"),
    "undo": _l("An earlier state was brought back"),
    **{act.value: _l("Many entries were changed") for act in ACTS},
}
CAUSES = {
    Cause.KEY: _l("a key stands in the chat"),
    Cause.RECURSION: _l("another entry calls it"),
    Cause.CONSTANT: _l("always in"),
    Cause.ACTIVATED: _l("its decorator @@activate"),
    Cause.STILL_ON: _l("it fired before and stays on"),
}
MISSES = {
    Missing.KEY: _l("no key stands there"),
    Missing.OFF: _l("it is off"),
    Missing.DEPTH: _l("its key stands further back than the scan depth"),
    Missing.CALLED_ONLY: _l("its key stands only in another entry, and it takes no part in recursion"),
    Missing.SECONDARY: _l("its secondary keys do not agree"),
    Missing.ADDITIONAL: _l("an additional key is missing"),
    Missing.EXCLUDED: _l("an excluded key stands there"),
    Missing.RECURSION: _l("it waits for recursion"),
    Missing.NEVER: _l("its decorator @@dont_activate"),
    Missing.TOO_EARLY: _l("the chat is too short for @@activate_only_after"),
    Missing.OTHER_TURN: _l("it is not its turn by @@activate_only_every"),
    Missing.GREETING: _l("it belongs to another greeting"),
    Missing.USER_ICON: _l("it belongs to another user icon"),
    Missing.MATCHED_BEFORE: _l("it fired before and stays off"),
    Missing.DELAY: _l("the chat has fewer messages than its delay"),
    Missing.CHANCE: _l("the dice were against it"),
}
DROPS = {
    Dropped.OVER_BUDGET: _l("over the budget, and among the least important"),
    Dropped.TOO_LARGE: _l("larger than the whole budget"),
    Dropped.YIELDS: _l("yields first, by @@ignore_on_max_context"),
}
PROBLEMS = {
    KeyProblem.LOOKS_AROUND: _l("looks ahead or behind ((?=…), (?<!…)), which is not run here"),
    KeyProblem.REFERS_BACK: _l("refers back to a group (\\1), which is not run here"),
    KeyProblem.TOO_LARGE: _l("is too large to run"),
    KeyProblem.TOO_MANY: _l("is beyond the 500 patterns that are run"),
    KeyProblem.INVALID: _l("is no valid pattern"),
}
NOT_SIMULATED = {
    NotSimulated.STICKY: _l("sticky"),
    NotSimulated.COOLDOWN: _l("cooldown"),
    NotSimulated.GROUP: _l("only one of its group"),
    NotSimulated.BY_MEANING: _l("found by meaning"),
    NotSimulated.OTHER_TEXTS: _l("looks into other texts"),
    NotSimulated.FILTERED: _l("only for some characters or triggers"),
    NotSimulated.TEXT_CONTEXT: _l("depth in text without a chat"),
}
LIMITS = {
    Limit.OLD_MESSAGES: _l("The chat is long: only its newest 200,000 characters were looked through."),
    Limit.WORK: _l("There are more keys and text than can be looked through at once: some keys were left out."),
    Limit.ROUNDS: _l("Entries called up entries 50 times in a row; then recursion was stopped."),
    Limit.KEYS: _l("The book has more than 20,000 keys: the rest was left out."),
}
FATES = {
    Fate.NEW: _l("new"),
    Fate.SAME: _l("the same"),
    Fate.CHANGED: _l("changed"),
    Fate.GONE: _l("goes"),
}
FORMATS = {
    "character_book": _l("character_book: as it stands inside a card"),
    "lorebook_v3": _l("Lorebook V3: the standalone form of the specification"),
    "world_info": _l("SillyTavern world info"),
    "risu": _l("RisuAI"),
    "agnai_memory": _l("Agnai memory book"),
    "novelai": _l("NovelAI"),
    "card": _l("a character card"),
}


def place_label(place: str) -> Any:
    """The place as a list shows it, from the column's `kind:depth:role`."""
    kind, _colon, rest = place.partition(":")
    if not rest:
        return PLACES.get(PlaceKind(kind), kind)
    depth, _colon, role = rest.partition(":")
    if kind == PlaceKind.FROM_START:
        return _("%(depth)s from the start (%(role)s)", depth=depth, role=ROLES.get(role, role))
    return _("depth %(depth)s (%(role)s)", depth=depth, role=ROLES.get(role, role))


def key_words(key: Key) -> Any:
    """How a key is read, in words."""
    if key.problem is not None:
        return _("This pattern is kept but not run: it %(why)s.", why=PROBLEMS[key.problem])
    return _("This is read as a pattern.") if key.is_pattern else _("This is read as plain words.")
