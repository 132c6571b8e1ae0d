"""How texts are laid out over requests: a pure rule."""

from collections.abc import Iterator, Sequence


def batches(tokens: Sequence[int], *, max_inputs: int, max_tokens: int) -> Iterator[range]:
    """Yield ranges that together cover every position once, in order, each within both limits.

    `tokens` holds the length of each text. A text that alone is longer than
    `max_tokens` travels alone: cutting it is the caller's part.
    """
    start, total = 0, 0
    for position, length in enumerate(tokens):
        if position > start and (position - start == max_inputs or total + length > max_tokens):
            yield range(start, position)
            start, total = position, 0
        total += length
    if start < len(tokens):
        yield range(start, len(tokens))
