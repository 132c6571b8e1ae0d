"""From a character and a chat to what a model is sent, part by part, within its window: pure.

The order is SillyTavern's: system prompt, lore before the character, description, personality, scenario, lore after it,
examples, the chat with what stands at a depth in it, and the instructions after the history. Parts that follow each
other as "system" travel as one message, since many models know only one.

What must be sent is sent, or nothing is: `Prompt.fits` says so. What is left of the window goes to lore (within its own
budget), then to the chat from its newest message back, then to examples from the first on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from studio.authoring.rules import tokens
from studio.cards import lore_matching, macros
from studio.cards.lore_entries import PlaceKind
from studio.cards.lore_matching import Outcome, Scan, Situation
from studio.chat.definitions import Definition
from studio.kit.text import excerpt
from studio.providers.language import Message

DEFAULT_SYSTEM_PROMPT = "Write {{char}}'s next reply in a fictional chat between {{char}} and {{user}}."
"""What `{{original}}` of a card's system prompt stands for, and what is sent where a card has none."""

DEFAULT_NOTE_DEPTH = 4
TOKENS_AROUND = 5
"""What a message costs besides its text, and more than what joins two parts in one message."""

_START = "<start>"
_SHARE_OF_LORE = 4
_EXCERPT = 120


class PartKind(StrEnum):
    """What a piece of the prompt is, in the order of the prompt."""

    SYSTEM_PROMPT = "system_prompt"
    LORE_BEFORE = "lore_before"
    DESCRIPTION = "description"
    PERSONALITY = "personality"
    RELATIONSHIPS = "relationships"
    CURRENT_STATE = "current_state"
    SCENARIO = "scenario"
    SCENE = "scene"
    LORE_AFTER = "lore_after"
    EXAMPLE = "example"
    HISTORY = "history"
    LORE_AT_DEPTH = "lore_at_depth"
    NOTE = "note"
    AFTER_HISTORY = "after_history"


class Reason(StrEnum):
    """Why a part was left out."""

    NO_ROOM = "no_room"
    OLDER = "older"
    OVER_BUDGET = "over_budget"
    TOO_LARGE = "too_large"
    YIELDS = "yields"
    OUTLET = "outlet"
    SWITCHED_OFF = "switched_off"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the chat."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """How the prompt is to be built: who chats, in which scene, and how much the model reads.

    `window` holds prompt and answer together, `max_output` is the answer's part of it. `greeting` is the number of
    the greeting that the chat began with. Equal seeds give equal dice.
    """

    user_name: str
    window: int
    max_output: int
    scene: int | None = None
    greeting: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: what it is, its text as it is sent, and whether it is; `cause` and `keys` tell why lore fired."""

    kind: PartKind
    text: str
    tokens: int
    role: str = "system"
    name: str = ""
    left_out: Reason | None = None
    cause: str = ""
    keys: tuple[str, ...] = ()
    # Of lore: its position in the book.
    entry: int | None = None

    @property
    def cost(self) -> int:
        """The most that the part adds to a prompt."""
        return self.tokens + TOKENS_AROUND


@dataclass(frozen=True)
class Prompt:
    """What is sent, and how it came about. Where it does not fit, nothing is sent: `messages` is empty."""

    messages: tuple[Message, ...]
    parts: tuple[Part, ...]
    tokens: int
    """Estimated; what is sent is never more."""
    window: int
    max_output: int
    fits: bool
    needed: int
    """What the permanent parts alone take."""
    lore_budget: int | None = None
    lore_spent: int = 0
    scan_depth: int = 0
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The breakdown as it is kept; of the chat's own messages only the beginnings, since those are kept anyway."""
        parts = [
            {
                **{key: value for key, value in asdict(part).items() if value not in (None, "", ())},
                **({"text": excerpt(part.text, _EXCERPT)} if part.kind is PartKind.HISTORY else {}),
            }
            for part in self.parts
        ]
        facts = ("tokens", "window", "max_output", "fits", "needed", "lore_budget", "lore_spent", "scan_depth")
        return {**{name: getattr(self, name) for name in facts}, "warnings": list(self.warnings), "parts": parts}


def build(definition: Definition, *, history: Sequence[Turn], frame: Frame) -> Prompt:
    """The prompt for the character's next answer after `history`, oldest message first.

    Never longer than the window by our estimate (`authoring.rules.tokens` of each message and 4 around it).
    """
    writer = _Writer(definition, frame)
    room = frame.window - frame.max_output
    scan = writer.scan(history, budget=writer.lore_budget(frame.window))
    fixed = writer.fixed(scan)
    last = [writer.turn(turn) for turn in history[-1:]]
    needed = sum(part.cost for part in (*fixed, *last))
    if needed > room:
        parts = (*_in_order(fixed), *(replace(part, left_out=None) for part in last))
        return Prompt((), parts, 0, frame.window, frame.max_output, fits=False, needed=needed)
    left = room - needed
    budget = min(found for found in (scan.budget, left) if found is not None)
    if scan.budget is None or budget < scan.budget:
        scan = writer.scan(history, budget=budget)
    lore, left = _within(writer.lore(scan), left)
    said, left = _newest(writer, history[:-1], left, most=definition.context_window)
    examples, left = _first(writer.examples(), left)
    turns = [*said, *last]
    sent = _assembled(
        [part for part in (*fixed, *lore, *examples) if part.left_out is None],
        [part for part in turns if part.left_out is None],
        scan,
        depth_of_note=writer.note_depth,
    )
    return Prompt(
        messages=sent,
        parts=_in_order([*fixed, *lore, *examples, *turns]),
        tokens=sum(tokens(message.content) + TOKENS_AROUND - 1 for message in sent),
        window=frame.window,
        max_output=frame.max_output,
        fits=True,
        needed=needed,
        lore_budget=scan.budget,
        lore_spent=sum(part.tokens for part in lore if part.left_out is None),
        scan_depth=scan.scan_depth,
        warnings=tuple(limit.value for limit in scan.warnings),
    )


def block_texts(examples: str) -> Iterator[str]:
    """The example chats of a card, one by one, without the marks that begin them."""
    block: list[str] = []
    for line in examples.splitlines():
        if line.strip().lower() == _START:
            if text := "\n".join(block).strip():
                yield text
            block = []
        else:
            block.append(line)
    if text := "\n".join(block).strip():
        yield text


class _Writer:
    """Makes the parts of one prompt, their macros resolved."""

    def __init__(self, definition: Definition, frame: Frame) -> None:
        self._definition, self._data, self._frame = definition, definition.data, frame
        note = (self._data.get("extensions") or {}).get("depth_prompt")
        self._note: Mapping[str, Any] = note if isinstance(note, dict) else {}

    @property
    def note_depth(self) -> int:
        """How many messages from the newest the character's note stands."""
        depth = self._note.get("depth")
        return max(0, depth) if isinstance(depth, int) and not isinstance(depth, bool) else DEFAULT_NOTE_DEPTH

    def lore_budget(self, window: int) -> int | None:
        """The book's own budget (None: it says one), else a quarter of the window, as SillyTavern has it."""
        said = (self._data.get("character_book") or {}).get("token_budget")
        is_said = isinstance(said, int | float) and not isinstance(said, bool) and said > 0
        return None if is_said else window // _SHARE_OF_LORE

    def scan(self, history: Sequence[Turn], *, budget: int | None) -> Scan:
        """What the lorebook has to say to the chat."""
        book = self._data.get("character_book") or {"entries": []}
        return lore_matching.scan(
            book,
            Situation(
                messages=[lore_matching.Message(turn.role, turn.text) for turn in history],
                char=self._definition.char,
                user=self._frame.user_name,
                tokens=tokens,
                greeting=self._frame.greeting,
                token_budget=budget,
                seed=self._frame.seed,
            ),
        )

    def fixed(self, scan: Scan) -> list[Part]:
        """The parts that are always sent, without empty ones."""
        found: list[Part | None] = [self._system_prompt(is_off="system_prompt" in scan.switched_off)]
        for kind, key in (
            (PartKind.DESCRIPTION, "description"),
            (PartKind.PERSONALITY, "personality"),
            (PartKind.SCENARIO, "scenario"),
        ):
            found.append(self._part(kind, self._data.get(key) or ""))
        for kind, key, label in (
            (PartKind.RELATIONSHIPS, "relationships", "{{char}}'s relationships: "),
            (PartKind.CURRENT_STATE, "current_state", "{{char}} just now: "),
        ):
            text = str(self._definition.profile.get(key) or "")
            found.append(self._part(kind, label + text if text.strip() else ""))
        found.append(self._scene())
        role = self._note.get("role")
        role = role if role in {"system", "user", "assistant"} else "system"
        found.append(self._part(PartKind.NOTE, str(self._note.get("prompt") or ""), role=role))
        if "post_history_instructions" not in scan.switched_off:
            found.append(self._part(PartKind.AFTER_HISTORY, self._data.get("post_history_instructions") or ""))
        return [part for part in found if part is not None]

    def turn(self, turn: Turn) -> Part:
        """One message of the chat."""
        return Part(PartKind.HISTORY, turn.text, tokens(turn.text), role=turn.role)

    def lore(self, scan: Scan) -> list[Part]:
        """The entries that fired, in the order of the prompt, and those that the budget drops."""
        return [
            *(self._lore(outcome) for outcome in scan.kept if outcome.text.strip()),
            *(self._lore(outcome, Reason(outcome.dropped or "over_budget")) for outcome in scan.dropped),
        ]

    def examples(self) -> list[Part]:
        """The example chats."""
        blocks = block_texts(self._data.get("mes_example") or "")
        found = (self._part(PartKind.EXAMPLE, f"[Example chat]\n{text}") for text in blocks)
        return [part for part in found if part is not None]

    def _system_prompt(self, *, is_off: bool) -> Part | None:
        own = "" if is_off else self._data.get("system_prompt") or ""
        original = self._rendered(DEFAULT_SYSTEM_PROMPT)
        return self._part(PartKind.SYSTEM_PROMPT, own if own.strip() else DEFAULT_SYSTEM_PROMPT, original=original)

    def _scene(self) -> Part | None:
        scenes, number = self._definition.scenes, self._frame.scene
        if number is None or not 0 <= number < len(scenes):
            return None
        scene = scenes[number]
        title = str(scene.get("title") or "")
        head = " – ".join(text for text in (title, str(scene.get("stage") or "")) if text)
        text = "\n".join(text for text in (f"[Scene: {head}]", str(scene.get("stage_prompt") or "")) if text)
        return self._part(PartKind.SCENE, text, name=title)

    def _part(
        self, kind: PartKind, text: str, *, role: str = "system", name: str = "", original: str = ""
    ) -> Part | None:
        written = self._rendered(text, original=original).strip()
        return Part(kind, written, tokens(written), role=role, name=name) if written else None

    def _rendered(self, text: str, *, original: str = "") -> str:
        return macros.render(
            text, char=self._definition.char, user=self._frame.user_name, original=original, seed=self._frame.seed
        )

    def _lore(self, outcome: Outcome, reason: Reason | None = None) -> Part:
        place = outcome.place.kind
        if place is PlaceKind.OUTLET and reason is None:
            # Only an application that knows the outlet's place could put it there.
            reason = Reason.OUTLET
        text = outcome.text.strip()
        return Part(
            _LORE_KINDS.get(place, PartKind.LORE_AT_DEPTH),
            text,
            tokens(text),
            role=outcome.place.role if outcome.place.depth is not None else "system",
            name=outcome.name,
            left_out=reason,
            cause=str(outcome.cause or ""),
            keys=tuple(dict.fromkeys(hit.key for hit in outcome.hits))[:6],
            entry=outcome.index,
        )


_LORE_KINDS = {
    PlaceKind.BEFORE_CHAR: PartKind.LORE_BEFORE,
    PlaceKind.BEFORE_DESCRIPTION: PartKind.LORE_BEFORE,
    PlaceKind.AFTER_DESCRIPTION: PartKind.LORE_AFTER,
    PlaceKind.PERSONALITY: PartKind.LORE_AFTER,
    PlaceKind.SCENARIO: PartKind.LORE_AFTER,
    PlaceKind.AFTER_CHAR: PartKind.LORE_AFTER,
    PlaceKind.BEFORE_EXAMPLES: PartKind.LORE_AFTER,
    PlaceKind.AFTER_EXAMPLES: PartKind.LORE_AFTER,
}
_ORDER = {kind: number for number, kind in enumerate(PartKind)}


def _in_order(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts by the order of the prompt; those of one kind keep theirs."""
    return tuple(sorted(parts, key=lambda part: _ORDER[part.kind]))


def _within(parts: Sequence[Part], left: int) -> tuple[list[Part], int]:
    """The lore with what has no room marked, the last in the prompt's order first."""
    cost = sum(part.cost for part in parts if part.left_out is None)
    found = list(parts)
    for number in range(len(found) - 1, -1, -1):
        if cost <= left:
            break
        if found[number].left_out is None:
            cost -= found[number].cost
            found[number] = replace(found[number], left_out=Reason.NO_ROOM)
    return found, left - cost


def _newest(writer: _Writer, turns: Sequence[Turn], left: int, *, most: int | None) -> tuple[list[Part], int]:
    """The chat before its last message, from the newest back as far as there is room."""
    found: list[Part] = []
    reason: Reason | None = None
    for number, turn in enumerate(reversed(turns), start=1):
        part = writer.turn(turn)
        if reason is None and most is not None and number >= most:
            reason = Reason.OLDER
        if reason is None and part.cost > left:
            reason = Reason.NO_ROOM
        left -= 0 if reason else part.cost
        found.append(replace(part, left_out=reason))
    return found[::-1], left


def _first(parts: Sequence[Part], left: int) -> tuple[list[Part], int]:
    """The examples, from the first on as far as there is room."""
    found: list[Part] = []
    for part in parts:
        reason = Reason.NO_ROOM if part.cost > left or (found and found[-1].left_out) else None
        left -= 0 if reason else part.cost
        found.append(replace(part, left_out=reason))
    return found, left


def _assembled(parts: Sequence[Part], turns: Sequence[Part], scan: Scan, *, depth_of_note: int) -> tuple[Message, ...]:
    """The messages: parts before the chat, the chat with what stands in it, parts after it."""
    chat: list[Part] = list(turns)
    places = {outcome.index: outcome.place for outcome in scan.kept}
    within: list[tuple[int, Part]] = []
    for part in parts:
        if part.kind is PartKind.NOTE:
            within.append((max(0, len(chat) - depth_of_note), part))
        elif part.kind is PartKind.LORE_AT_DEPTH and part.entry is not None:
            place = places[part.entry]
            depth = depth_of_note if place.depth is None else place.depth
            is_from_start = place.kind is PlaceKind.FROM_START
            within.append((min(len(chat), depth) if is_from_start else max(0, len(chat) - depth), part))
    # From the back, so that the places of those before stay what they are; of one place the first stays first.
    for _number, (index, part) in sorted(enumerate(within), key=lambda one: (one[1][0], one[0]), reverse=True):
        chat.insert(index, part)
    inside = {PartKind.NOTE, PartKind.LORE_AT_DEPTH, PartKind.AFTER_HISTORY}
    head = [part for part in _in_order(parts) if part.kind not in inside]
    tail = [part for part in parts if part.kind is PartKind.AFTER_HISTORY]
    return tuple(_joined((*head, *chat, *tail)))


def _joined(parts: Iterable[Part]) -> Iterator[Message]:
    """Parts that follow each other as "system" as one message; what people and the character say stays apart."""
    waiting: list[str] = []
    for part in parts:
        if part.role == "system":
            waiting.append(part.text)
            continue
        if waiting:
            yield Message("system", "\n\n".join(waiting))
            waiting = []
        yield Message("assistant" if part.role == "assistant" else "user", part.text)
    if waiting:
        yield Message("system", "\n\n".join(waiting))
