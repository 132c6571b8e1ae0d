"""Looking for a lorebook's keys in the texts of a chat, newest first, within a bounded amount of work."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import re2

from studio.cards.lore_keys import Key, fold, is_word

TEXT_LENGTH = 200_000
"""Of longer chats only the newest characters are read."""

STEPS = 1_000_000_000
"""What one scan may cost: about one step per character and key, more for patterns; a second at the worst."""

_SEPARATOR = "\0"
# Places of one key that a screen marks, newest first.
_MOST_SPANS = 8
# What a step in Python costs, in steps of the search itself.
_LOOK = 2_500
_GLANCE = 100
# From so many steps on, one pass for all literals pays for making its automaton.
_WORTH_A_PASS = 20_000_000
_PASS, _PASS_PER_LETTER, _PASS_MEMORY = 10, 1_000, 64 << 20
_SENTINEL = b"\0end\0"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a key was found: in which text, from which character to which."""

    source: int
    start: int
    end: int


class Meter:
    """How much may still be searched."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> bool:
        """Whether so much was left; it is now spent."""
        if self.left < steps:
            self.left = 0
            return False
        self.left -= steps
        return True

    @property
    def is_empty(self) -> bool:
        """Whether something was left out."""
        return self.left == 0


@dataclass
class Corpus:
    """Some texts, searched as one; `sources` number them as the caller does, `offsets` say what was cut in front."""

    texts: Sequence[str]
    sources: Sequence[int]
    offsets: Sequence[int] = ()
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts, position = [], 0
        for text in self.texts:
            self._starts.append(position)
            position += len(text) + len(_SEPARATOR)

    @classmethod
    def of_messages(cls, texts: Sequence[str], *, first: int = 0) -> "tuple[Corpus, bool]":
        """The newest 200,000 characters of these texts from number `first` on, and whether that is less than all."""
        left, kept, sources, offsets = TEXT_LENGTH, [], [], []
        for source in range(len(texts) - 1, first - 1, -1):
            text = texts[source].replace(_SEPARATOR, " ")
            cut = max(0, len(text) - left)
            if cut == len(text) and text:
                break
            kept.append(text[cut:])
            sources.append(source)
            offsets.append(cut)
            left -= len(text) - cut
        is_cut = len(kept) < len(texts) - first or any(offsets)
        return cls(kept[::-1], sources[::-1], offsets[::-1]), is_cut

    @cached_property
    def joined(self) -> str:
        """All texts, with a character between them that no key holds."""
        return _SEPARATOR.join(text.replace(_SEPARATOR, " ") for text in self.texts)

    @cached_property
    def _backwards(self) -> str:
        return self.joined[::-1]

    @cached_property
    def _folded_backwards(self) -> str:
        return fold(self.joined)[::-1]

    @cached_property
    def _encoded(self) -> list[bytes]:
        return [text.encode(errors="replace") for text in self.texts]

    @cached_property
    def _joined_encoded(self) -> bytes:
        return self.joined.encode(errors="replace")

    def that_stand(self, keys: Sequence[Key], meter: Meter) -> set[Key]:
        """The literals among `keys` that may stand somewhere in the texts: one pass for all of them."""
        cost = len(self.joined) * _PASS + sum(len(key.text) for key in keys) * _PASS_PER_LETTER
        if cost > len(self.joined) * len(keys) or not meter.spend(cost):
            return set(keys)
        options = re2.Options()
        options.literal = True
        options.never_capture = True
        options.log_errors = False
        options.max_mem = _PASS_MEMORY
        automaton = re2.Set.SearchSet(options)
        for key in keys:
            automaton.Add(fold(key.text).encode(errors="replace"))
        automaton.Add(_SENTINEL)
        automaton.Compile()
        found = automaton.Match(fold(self.joined).encode(errors="replace") + _SENTINEL)
        # RE2 finds nothing at all, the sentinel neither, where the memory was too little.
        return {keys[number] for number in found if number < len(keys)} if len(keys) in found else set(keys)

    def spans(self, key: Key, meter: Meter, *, most: int = _MOST_SPANS) -> list[Span]:
        """Where the key stands, newest first; nothing once the meter is spent."""
        if not self.texts or key.problem is not None or not meter.spend(len(self.joined) * key.cost + _GLANCE):
            return []
        return self._pattern_spans(key, most) if key.is_pattern else self._literal_spans(key, meter, most)

    def _literal_spans(self, key: Key, meter: Meter, most: int) -> list[Span]:
        # Searching from the end for the newest, with `find` on the reverse: it is linear, `rfind` is not.
        haystack = self._backwards if key.is_exact else self._folded_backwards
        needle, size = key.folded[::-1], len(key.folded)
        found: list[Span] = []
        position = haystack.find(needle)
        while position >= 0 and len(found) < most:
            start = len(haystack) - position - size
            if not key.is_whole or is_word(self.joined, start, start + size):
                found.append(self._span(start, start + size))
            elif not meter.spend(_LOOK):
                break
            position = haystack.find(needle, position + 1)
        return found

    def _pattern_spans(self, key: Key, most: int) -> list[Span]:
        if not key.is_anchored and len(self.texts) > 1 and key.program.search(self._joined_encoded) is None:
            return []
        found: list[Span] = []
        for index in range(len(self.texts) - 1, -1, -1):
            encoded = self._encoded[index]
            match = key.program.search(encoded)
            if match is None:
                continue
            start = len(encoded[: match.start()].decode(errors="replace"))
            end = start + len(encoded[match.start() : match.end()].decode(errors="replace"))
            found.append(Span(self.sources[index], start + self._offset(index), end + self._offset(index)))
            if len(found) >= most:
                break
        return found

    def _span(self, start: int, end: int) -> Span:
        index = bisect_right(self._starts, start) - 1
        shift = self._offset(index) - self._starts[index]
        return Span(self.sources[index], start + shift, end + shift)

    def _offset(self, index: int) -> int:
        return self.offsets[index] if self.offsets else 0


@dataclass
class Found:
    """Where one key stands: in messages of the chat, and in the texts of entries that fired."""

    messages: list[Span] = field(default_factory=list)
    entries: list[Span] = field(default_factory=list)

    def within(self, first: int, last: int) -> Iterator[Span]:
        """The places in messages number `first` to before `last`, newest first."""
        return (span for span in self.messages if first <= span.source < last)

    def is_within(self, first: int, last: int) -> bool:
        """Whether there is such a place."""
        return next(self.within(first, last), None) is not None


class Finder:
    """What is known of each key so far; every key is looked for once in each text."""

    def __init__(self, keys: Iterable[Key], messages: Corpus, meter: Meter, *, most: int = _MOST_SPANS) -> None:
        self.meter = meter
        self._most = most
        self._found: dict[Key, Found] = {}
        for key, spans in self._search(messages, keys):
            self._found[key] = Found(messages=spans)

    def read(self, corpus: Corpus, keys: Iterable[Key]) -> None:
        """Look for these keys in the texts of entries that just fired."""
        for key, spans in self._search(corpus, keys):
            self._found[key].entries.extend(spans)

    def _search(self, corpus: Corpus, keys: Iterable[Key]) -> Iterator[tuple[Key, list[Span]]]:
        every = dict.fromkeys(keys)
        literals = [key for key in every if not key.is_pattern]
        standing = set(every)
        if len(literals) * len(corpus.joined) > _WORTH_A_PASS:
            standing = corpus.that_stand(literals, self.meter) | {key for key in every if key.is_pattern}
        for key in every:
            yield key, corpus.spans(key, self.meter, most=self._most) if key in standing else []

    def __getitem__(self, key: Key) -> Found:
        return self._found[key]
