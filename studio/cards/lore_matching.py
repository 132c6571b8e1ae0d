"""Which entries of a lorebook a chat calls up, why, where they go, and what the budget drops.

    scan = lore_matching.scan(book, Situation(messages, char="Aria", user="Sam", tokens=count))
    for outcome in scan.at(PlaceKind.BEFORE_CHAR):   # in the order of the prompt
        prompt.append(outcome.text)                  # decorators gone, macros resolved
    for outcome in scan.at(PlaceKind.AT_DEPTH):
        insert(outcome.text, depth=outcome.place.depth, role=outcome.place.role)

`book` is the `character_book` of a normalised card (`normalise.normalise`, `lorebooks.normalise_book`). Nothing is
read or written elsewhere; equal arguments give an equal scan, chance comes from `Situation.seed`. A scan ends within
about a second whatever the book and the chat hold: patterns run on RE2, texts and work are limited, and what was
left out because of it is named in `Scan.warnings`.

What decides, in this order: an entry that is off never fires; `@@activate` and `constant` need no key; otherwise one
key must stand in the last `scan_depth` messages (the entry's own depth before the book's), with what `selective`,
`@@additional_keys` and `@@exclude_keys` ask for; then decorators, delay and chance may still hold it back. With
recursion the texts of those that fired are looked through for the keys of the rest, until nothing new fires. In the
end entries are dropped until the rest fits the budget: those with `@@ignore_on_max_context` first, then by `priority`
(by `insertion_order` where there is none), lowest first. An entry that alone is larger than the budget is dropped
before all others. What is kept stands in the order of `insertion_order`, lower first, equal ones as in the book.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from studio.cards.documents import Json
from studio.cards.lore_conditions import Missing, State, Turn, missing_of
from studio.cards.lore_entries import EntryReader, NotSimulated, Place, PlaceKind, Rule
from studio.cards.lore_keys import Key, KeyProblem
from studio.cards.lore_search import Corpus, Finder, Meter

DEFAULT_SCAN_DEPTH = 2
"""Messages that are looked through where neither the book nor the situation says how many."""

MOST_ROUNDS = 50
"""How often entries may call up entries."""

_MOST_SPANS, _MOST_TURN_SPANS = 8, 2_000
_MOST_HITS = 12


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat; `role` is user, assistant or system."""

    role: str
    text: str


@dataclass(frozen=True)
class Situation:
    """What a book is looked through for.

    `messages` come oldest first. `tokens` counts a text's tokens. `greeting` is the number of the greeting that the
    chat began with (0 the first message, 1 the first alternate), None where there is none. `assistant_messages` is
    counted from the messages unless given (where only the end of a long chat is passed in). `scan_depth`,
    `token_budget` and `recursive` go before what the book says; None leaves it to the book, and a book that says
    nothing has depth 2, no budget and no recursion (a book's budget of 0 says nothing). `near_misses` asks for entries that nearly fired as well, which
    costs a search in all messages.
    """

    messages: Sequence[Message]
    char: str
    user: str
    tokens: Callable[[str], int]
    greeting: int | None = None
    assistant_messages: int | None = None
    user_icon: str = ""
    scan_depth: int | None = None
    token_budget: int | None = None
    recursive: bool | None = None
    seed: int = 0
    near_misses: bool = False


class Verdict(StrEnum):
    """What became of an entry."""

    KEPT = "kept"
    DROPPED = "dropped"
    MISSED = "missed"


class Cause(StrEnum):
    """Why an entry fired."""

    KEY = "key"
    RECURSION = "recursion"
    CONSTANT = "constant"
    ACTIVATED = "activated"
    STILL_ON = "still_on"


class Dropped(StrEnum):
    """Why an entry that fired is not in the prompt."""

    OVER_BUDGET = "over_budget"
    TOO_LARGE = "too_large"
    YIELDS = "yields"


class HitKind(StrEnum):
    """Which of an entry's keys was found."""

    KEY = "key"
    SECONDARY = "secondary"
    ADDITIONAL = "additional"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Hit:
    """A key that was found at characters `start` to `end` of a message, or of another entry's text as it was searched.

    `message` is its number among the messages given, `entry` the calling entry's position in the book; one is None.
    """

    key: str
    kind: HitKind
    start: int
    end: int
    message: int | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry. `index` is its position in the book, `total` what it and those before spend.

    `missing` says what held a missed one back; `chance` is 0 to 100, and `rolled` what the dice said (it fires below).
    """

    index: int
    name: str
    verdict: Verdict
    order: float
    priority: float
    place: Place
    text: str
    tokens: int
    cause: Cause | None = None
    hits: tuple[Hit, ...] = ()
    missing: tuple[Missing, ...] = ()
    dropped: Dropped | None = None
    total: int = 0
    chance: int = 100
    rolled: int = 0
    is_free: bool = False
    """Whether it counts against no budget."""
    not_simulated: tuple[NotSimulated, ...] = ()


class Limit(StrEnum):
    """What was left out so that the scan ends."""

    OLD_MESSAGES = "old_messages"
    WORK = "work"
    ROUNDS = "rounds"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class BadKey:
    """A pattern that is not run, and the entry that has it."""

    entry: int
    key: str
    problem: KeyProblem


@dataclass(frozen=True, slots=True)
class BadDecorator:
    """A decorator line that is ignored since nobody understands it, and the entry that has it."""

    entry: int
    line: str


@dataclass(frozen=True)
class Scan:
    """What one chat calls up: `kept` in the order of the prompt, `dropped` in the order of dropping, `missed`."""

    kept: tuple[Outcome, ...]
    dropped: tuple[Outcome, ...]
    missed: tuple[Outcome, ...]
    spent: int
    """The tokens that count against the budget."""
    budget: int | None
    scan_depth: int
    is_recursive: bool
    switched_off: frozenset[str] = frozenset()
    """Prompts of the application that a kept entry switches off: system_prompt, post_history_instructions."""
    warnings: tuple[Limit, ...] = ()
    bad_keys: tuple[BadKey, ...] = ()
    bad_decorators: tuple[BadDecorator, ...] = ()

    def at(self, kind: PlaceKind) -> Iterator[Outcome]:
        """The kept entries of one place that say something, in their order."""
        return (outcome for outcome in self.kept if outcome.place.kind is kind and outcome.text)


def scan(book: Json, situation: Situation) -> Scan:
    """What `situation` calls up in `book`; see the module's text for the rules."""
    reader = EntryReader(char=situation.char, user=situation.user, seed=situation.seed)
    rules = [reader.read(entry, index) for index, entry in enumerate(book["entries"])]
    run = _Run(book, rules, situation, reader)
    run.fire()
    budget = situation.token_budget
    if budget is None and (said := _whole(book.get("token_budget"))):
        budget = said if said > 0 else None
    kept, dropped = _within(budget, run.fired, rules)
    return Scan(
        kept=kept,
        dropped=dropped,
        missed=run.missed() if situation.near_misses else (),
        spent=kept[-1].total if kept else 0,
        budget=budget,
        scan_depth=run.state.depth,
        is_recursive=run.is_recursive,
        switched_off=frozenset(
            name for outcome in kept if (name := rules[outcome.index].decorated.text("disable_ui_prompt"))
        ),
        warnings=run.warnings(),
        bad_keys=tuple(
            BadKey(rule.index, key.text, key.problem) for rule in rules for key in rule.all_keys() if key.problem
        ),
        bad_decorators=tuple(BadDecorator(rule.index, line) for rule in rules for line in rule.decorated.ignored),
    )


class _Run:
    """One scan under way: which entries fired, and what is known of the keys."""

    def __init__(self, book: Json, rules: Sequence[Rule], situation: Situation, reader: EntryReader) -> None:
        self.rules, self.situation, self.reader = rules, situation, reader
        said = situation.recursive
        self.is_recursive = bool(book.get("recursive_scanning")) if said is None else said
        self.fired: list[Outcome] = []
        self._limits: set[Limit] = set()
        self._meter = Meter()
        depth = situation.scan_depth if situation.scan_depth is not None else _whole(book.get("scan_depth"))
        depth = max(0, DEFAULT_SCAN_DEPTH if depth is None else depth)
        # Only entries that are off and of no interest are not looked for.
        asked = [rule for rule in rules if rule.is_enabled or situation.near_misses]
        is_by_turns = any(_is_by_turns(rule) for rule in asked)
        corpus = self._messages(asked, depth, is_whole_chat=situation.near_misses or is_by_turns)
        self._finder = Finder(
            (key for rule in asked for key in rule.all_keys()),
            corpus,
            self._meter,
            most=_MOST_TURN_SPANS if is_by_turns else _MOST_SPANS,
        )
        roles = tuple(message.role for message in situation.messages)
        counted = situation.assistant_messages
        self.state = State(
            finder=self._finder,
            depth=depth,
            roles=roles,
            assistant_messages=roles.count("assistant") if counted is None else counted,
            greeting=situation.greeting,
            user_icon=situation.user_icon,
        )
        self._open = [rule for rule in rules if rule.is_enabled]

    def fire(self) -> None:
        """Let everything fire that fires."""
        new = self._round()
        while self.is_recursive and self._open:
            callers = [outcome.index for outcome in new if not self.rules[outcome.index].starts_no_recursion]
            is_first = self.state.round == 0
            if not callers and not (is_first and any(rule.waits_for_recursion for rule in self._open)):
                break
            if self.state.round == MOST_ROUNDS:
                self._limits.add(Limit.ROUNDS)
                break
            self.state.round += 1
            self._look_through(callers)
            new = self._round()

    def missed(self) -> tuple[Outcome, ...]:
        """Entries whose key stands somewhere, or which need none, and that something held back."""
        fired = {outcome.index for outcome in self.fired}
        silent = (Missing.KEY,)
        return tuple(
            replace(self._outcome(rule, Verdict.MISSED), missing=missing)
            for rule in self.rules
            if rule.index not in fired and (missing := missing_of(rule, self.state)) and missing != silent
        )

    def warnings(self) -> tuple[Limit, ...]:
        """What was left out."""
        limits = self._limits | ({Limit.WORK} if self._meter.is_empty else set())
        limits |= {Limit.KEYS} if self.reader.has_too_many_keys else set()
        return tuple(limit for limit in Limit if limit in limits)

    def _messages(self, asked: Sequence[Rule], depth: int, *, is_whole_chat: bool) -> Corpus:
        texts = [message.text for message in self.situation.messages]
        deepest = max((depth if rule.scan_depth is None else rule.scan_depth for rule in asked), default=0)
        first = 0 if is_whole_chat else max(0, len(texts) - max(0, deepest))
        corpus, is_cut = Corpus.of_messages(texts, first=first)
        if is_cut:
            self._limits.add(Limit.OLD_MESSAGES)
        return corpus

    def _look_through(self, callers: Sequence[int]) -> None:
        corpus = Corpus([self.reader.searched(self.rules[index].body) for index in callers], callers)
        every = self.situation.near_misses
        listening = (rule for rule in self._open if every or not rule.is_out_of_recursion)
        self._finder.read(corpus, (key for rule in listening for key in rule.all_keys()))

    def _round(self) -> list[Outcome]:
        new: list[Outcome] = []
        still_open: list[Rule] = []
        for rule in self._open:
            if missing_of(rule, self.state):
                still_open.append(rule)
            elif _roll(rule, self.situation.seed) < rule.chance:
                new.append(self._outcome(rule, Verdict.KEPT))
            else:
                # The dice are thrown once: what lost does not fire in a later round.
                self.state.unlucky.add(rule.index)
        self._open = still_open
        self.fired += new
        return new

    def _outcome(self, rule: Rule, verdict: Verdict) -> Outcome:
        text = self.reader.text(rule.body)
        is_missed = verdict is Verdict.MISSED
        return Outcome(
            index=rule.index,
            name=rule.name,
            verdict=verdict,
            order=rule.order,
            priority=rule.priority,
            place=rule.place,
            text=text,
            tokens=self.situation.tokens(text) if text else 0,
            cause=None if is_missed else self._cause(rule),
            hits=tuple(islice(self._hits(rule, is_missed=is_missed), _MOST_HITS)),
            chance=rule.chance,
            rolled=_roll(rule, self.situation.seed),
            is_free=rule.ignores_budget,
            not_simulated=rule.not_simulated,
        )

    def _cause(self, rule: Rule) -> Cause:
        if rule.decorated.has("activate"):
            return Cause.ACTIVATED
        if rule.is_constant:
            return Cause.CONSTANT
        turn = self.state.turn(rule)
        if any(self._finder[key].is_within(turn.first, turn.last) for key in rule.keys):
            return Cause.KEY
        is_called = turn.may_be_called and any(self._finder[key].entries for key in rule.keys)
        return Cause.RECURSION if is_called else Cause.STILL_ON

    def _hits(self, rule: Rule, *, is_missed: bool) -> Iterator[Hit]:
        turn = self.state.turn(rule)
        if is_missed or rule.decorated.has("keep_activate_after_match"):
            turn = Turn(0, turn.last, may_be_called=True)
        kinds: tuple[tuple[HitKind, Iterable[Key]], ...] = (
            (HitKind.KEY, rule.keys),
            (HitKind.SECONDARY, rule.secondary),
            (HitKind.ADDITIONAL, (key for group in rule.additional for key in group)),
            (HitKind.EXCLUDED, (*rule.excluded, *rule.excluded_together)),
        )
        for kind, key in ((kind, key) for kind, keys in kinds for key in keys):
            found = self._finder[key]
            for span in found.within(turn.first, turn.last):
                yield Hit(key.text, kind, span.start, span.end, message=span.source)
            for span in found.entries if turn.may_be_called else ():
                yield Hit(key.text, kind, span.start, span.end, entry=span.source)


def _within(
    budget: int | None, fired: Sequence[Outcome], rules: Sequence[Rule]
) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """What is kept, in its order and with running totals, and what is dropped, in the order of dropping."""
    dropped: list[Outcome] = []
    if budget is not None:
        counted = [outcome for outcome in fired if outcome.tokens and not outcome.is_free]
        total = sum(outcome.tokens for outcome in counted)

        def turn_to_go(outcome: Outcome) -> tuple[bool, bool, float, float, int]:
            yields = rules[outcome.index].decorated.has("ignore_on_max_context")
            return outcome.tokens <= budget, not yields, outcome.priority, outcome.order, -outcome.index

        for outcome in sorted(counted, key=turn_to_go):
            if total <= budget:
                break
            total -= outcome.tokens
            why = Dropped.OVER_BUDGET
            if outcome.tokens > budget:
                why = Dropped.TOO_LARGE
            elif rules[outcome.index].decorated.has("ignore_on_max_context"):
                why = Dropped.YIELDS
            dropped.append(replace(outcome, verdict=Verdict.DROPPED, dropped=why))
    gone = {outcome.index for outcome in dropped}
    kept: list[Outcome] = []
    total = 0
    for outcome in sorted(fired, key=lambda outcome: (outcome.order, outcome.index)):
        if outcome.index not in gone:
            total += 0 if outcome.is_free else outcome.tokens
            kept.append(replace(outcome, total=total))
    return tuple(kept), tuple(dropped)


def _roll(rule: Rule, seed: int) -> int:
    """0 to 99, the same for the same entry and seed, whatever the chat says."""
    # Nothing but a preview's dice.
    return random.Random(f"{seed}:{rule.index}").randrange(100) if rule.chance < 100 else 0  # noqa: S311, PLR2004


def _is_by_turns(rule: Rule) -> bool:
    return rule.decorated.has("keep_activate_after_match") or rule.decorated.has("dont_activate_after_match")


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
