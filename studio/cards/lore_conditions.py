"""Whether an entry of a lorebook fires in the present state of a scan, and what holds it back if not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from studio.cards.lore_entries import Logic, Rule
from studio.cards.lore_keys import Key
from studio.cards.lore_search import Finder


class Missing(StrEnum):
    """What holds an entry back."""

    KEY = "key"
    OFF = "off"
    DEPTH = "depth"
    CALLED_ONLY = "called_only"
    SECONDARY = "secondary"
    ADDITIONAL = "additional"
    EXCLUDED = "excluded"
    RECURSION = "recursion"
    NEVER = "never"
    TOO_EARLY = "too_early"
    OTHER_TURN = "other_turn"
    GREETING = "greeting"
    USER_ICON = "user_icon"
    MATCHED_BEFORE = "matched_before"
    DELAY = "delay"
    CHANCE = "chance"


@dataclass(frozen=True, slots=True)
class Turn:
    """The messages that are looked through at one turn, `first` to before `last`, and whether entries may call."""

    first: int
    last: int
    may_be_called: bool


@dataclass
class State:
    """How far a scan is: what was found where, in which round of recursion, and who lost at dice."""

    finder: Finder
    depth: int
    roles: tuple[str, ...]
    assistant_messages: int
    greeting: int | None
    user_icon: str
    round: int = 0
    unlucky: set[int] = field(default_factory=set)

    def turn(self, rule: Rule) -> Turn:
        """What is looked through for this entry now."""
        return self._window(rule, len(self.roles), may_be_called=not rule.is_out_of_recursion)

    def earlier_turns(self, rule: Rule) -> Iterator[Turn]:
        """What was looked through before: once after each message of the user but the newest message."""
        for index, role in enumerate(self.roles[:-1]):
            if role == "user":
                yield self._window(rule, index + 1, may_be_called=False)

    def stands(self, key: Key, turn: Turn) -> bool:
        """Whether the key was found at this turn."""
        found = self.finder[key]
        return (turn.may_be_called and bool(found.entries)) or found.is_within(turn.first, turn.last)

    def _window(self, rule: Rule, last: int, *, may_be_called: bool) -> Turn:
        depth = self.depth if rule.scan_depth is None else max(0, rule.scan_depth)
        return Turn(max(0, last - depth), last, may_be_called)


def missing_of(rule: Rule, state: State) -> tuple[Missing, ...]:
    """What holds the entry back; nothing where it fires. KEY alone means that it was not spoken of at all."""
    if rule.decorated.has("activate"):
        return () if rule.is_enabled else (Missing.OFF,)
    missing = [] if rule.is_constant else _by_keys(rule, state)
    if missing == [Missing.KEY]:
        return (Missing.KEY,)
    return (*missing, *_by_conditions(rule, state))


def _by_keys(rule: Rule, state: State) -> list[Missing]:
    turn = state.turn(rule)
    if any(state.stands(key, turn) for key in rule.keys):
        missing = _by_other_keys(rule, state, turn)
    elif any(state.finder[key].messages for key in rule.keys):
        missing = [Missing.DEPTH]
    elif any(state.finder[key].entries for key in rule.keys):
        missing = [Missing.CALLED_ONLY]
    else:
        return [Missing.KEY]
    return [] if missing and _is_still_on(rule, state) else missing


def _by_other_keys(rule: Rule, state: State, turn: Turn) -> list[Missing]:
    missing = []
    if rule.logic is not None and not _is_satisfied(rule.logic, [state.stands(key, turn) for key in rule.secondary]):
        missing.append(Missing.SECONDARY)
    if not all(any(state.stands(key, turn) for key in group) for group in rule.additional):
        missing.append(Missing.ADDITIONAL)
    together = rule.excluded_together
    if any(state.stands(key, turn) for key in rule.excluded) or (
        together and all(state.stands(key, turn) for key in together)
    ):
        missing.append(Missing.EXCLUDED)
    return missing


def _is_satisfied(logic: Logic, found: list[bool]) -> bool:
    match logic:
        case Logic.AND_ANY:
            return any(found)
        case Logic.AND_ALL:
            return all(found)
        case Logic.NOT_ANY:
            return not any(found)
        case Logic.NOT_ALL:
            return not all(found)


def _is_still_on(rule: Rule, state: State) -> bool:
    return rule.decorated.has("keep_activate_after_match") and _matched_before(rule, state)


def _matched_before(rule: Rule, state: State) -> bool:
    return any(
        any(state.stands(key, turn) for key in rule.keys) and not _by_other_keys(rule, state, turn)
        for turn in state.earlier_turns(rule)
    )


def _by_conditions(rule: Rule, state: State) -> Iterator[Missing]:
    said = rule.decorated
    after, every = said.number("activate_only_after"), said.number("activate_only_every")
    greeting, icon = said.number("is_greeting"), said.text("is_user_icon")
    held = {
        Missing.OFF: not rule.is_enabled,
        Missing.NEVER: said.has("dont_activate"),
        Missing.TOO_EARLY: after is not None and state.assistant_messages < after,
        Missing.OTHER_TURN: every is not None and state.assistant_messages % every != 0,
        Missing.GREETING: greeting is not None and state.greeting != greeting,
        Missing.USER_ICON: icon is not None and state.user_icon != icon,
        Missing.MATCHED_BEFORE: said.has("dont_activate_after_match") and _matched_before(rule, state),
        Missing.DELAY: len(state.roles) < rule.delay,
        Missing.RECURSION: rule.waits_for_recursion and state.round == 0,
        Missing.CHANCE: rule.index in state.unlucky,
    }
    return (missing for missing, is_so in held.items() if is_so)
