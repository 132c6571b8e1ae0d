"""What the checks share that ask a model: who is asked, and the card cut into pieces that a model takes."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from studio.market.screening.checks.base import Finding
from studio.market.screening.checks.submission import Submission, Text
from studio.providers.language import LanguageProvider
from studio.providers.language.prices import Prices
from studio.providers.moderation import ModerationProvider

MOST_CHARACTERS = 400_000
"""Characters of one card that a model is asked about; the largest real description has 67,000, the largest book 413 entries."""

TIME_LIMIT = 90.0
"""Seconds that one check may spend on its model. What takes longer is tried again later, with the case in the queue."""

_SENTENCE = re.compile(r"[^\n.!?。！？]*[\n.!?。！？]+\s*|[^\n.!?。！？]+")


@dataclass(slots=True)
class Meter:
    """Counts what one look at a listing asks of a model and what that costs, also where the look fails in the end."""

    prices: Prices | None = None
    requests: int = 0
    cost_micro: int = 0

    def count(self, requests: int = 1) -> None:
        """So many requests are on their way."""
        self.requests += requests

    def paid(self, model: str, *, tokens_in: int, tokens_out: int) -> None:
        """An answer came and cost as much as the model's price says; nothing where nobody said it."""
        if self.prices is not None:
            self.cost_micro += self.prices.cost_micro(model, tokens_in=tokens_in, tokens_out=tokens_out) or 0


@dataclass(frozen=True, slots=True)
class Models:
    """The models that may be asked about a listing, and what counts what that costs."""

    moderation: ModerationProvider
    judge: LanguageProvider | None = None
    prices: Prices | None = None
    meter: Meter = field(default_factory=Meter)

    def metered(self) -> "Models":
        """The same models with a meter that starts at nothing."""
        return replace(self, meter=Meter(self.prices))


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """One kind of looking that a model does. `version` counts up whenever question, threshold or format change.

    `source` names the model, or is "" where none is set: the check then does not run. `look` raises ProviderError.
    """

    name: str
    version: int
    title: str
    source: Callable[[Models], str]
    look: Callable[[Submission, Models], Finding]


@dataclass(frozen=True, slots=True)
class Span:
    """A passage of one text; `end` is not part of it."""

    text: Text
    start: int
    end: int

    @property
    def value(self) -> str:
        """The passage."""
        return self.text.value[self.start : self.end]


def spans(submission: Submission, *, longest: int) -> tuple[list[Span], bool]:
    """Every string of the card, names of keys too, in passages of at most `longest` characters; and whether that is all.

    Each string is asked about once, however often it stands in the card.
    """
    found: list[Span] = []
    left = MOST_CHARACTERS
    seen: set[str] = set()
    for text in submission.texts:
        if text.value in seen or not text.value.strip():
            continue
        seen.add(text.value)
        for span in cut(Span(text, 0, len(text.value)), longest=longest):
            left -= span.end - span.start
            if left < 0:
                return found, False
            found.append(span)
    return found, True


def cut(span: Span, *, longest: int) -> Iterator[Span]:
    """The passage in shorter ones, cut between sentences where it can be."""
    start = span.start
    while span.end - start > longest:
        end = _end_of_sentence(span.text.value, start, start + longest)
        yield Span(span.text, start, end)
        start = end
    if start < span.end:
        yield Span(span.text, start, span.end)


def packed(found: Sequence[Span], *, longest: int) -> list[list[Span]]:
    """Short passages put together, so that a book of 400 entries is not 400 questions."""
    packs: list[list[Span]] = []
    size = longest
    for span in found:
        length = span.end - span.start + 1
        if size + length > longest:
            packs.append([])
            size = 0
        packs[-1].append(span)
        size += length
    return packs


def _end_of_sentence(value: str, start: int, most: int) -> int:
    end = start
    for match in _SENTENCE.finditer(value, start, most):
        if match.end() < most:
            end = match.end()
    # A sentence that is longer than allowed is cut where it has to be.
    return end if end - start >= (most - start) // 2 else most
