"""How much of a model's window a character takes: what is sent always, once, or for as long as there is room."""

from collections.abc import Mapping
from dataclasses import dataclass

from studio.authoring.rules import tokens

GROUPS: Mapping[str, str] = {
    # Sent with every message; so are the entries of the lorebook that are always on.
    "description": "permanent",
    "personality": "permanent",
    "scenario": "permanent",
    "relationships": "permanent",
    "current_state": "permanent",
    "system_prompt": "permanent",
    "post_history_instructions": "permanent",
    # A chat begins with it; like any message it leaves the window in time.
    "greeting-first": "greeting",
    # Sent until the chat itself needs the room.
    "example_dialogue": "example",
}
"""The group of each text that a model reads, by the id of its field on the page."""

_MUCH = 0.5


@dataclass(frozen=True)
class TokenBudget:
    """Estimated tokens of a character's texts, and the window that they share with the chat."""

    counts: Mapping[str, int]
    """By the id of each text; those of no group count for nothing but themselves."""
    lore: int
    """Of the lorebook's entries that are always on."""
    window: int

    def of(self, group: str) -> int:
        """All tokens of "permanent" (with the lorebook's part), "greeting" or "example"."""
        total = sum(count for id_, count in self.counts.items() if GROUPS.get(id_) == group)
        return total + (self.lore if group == "permanent" else 0)

    @property
    def total(self) -> int:
        """All that the first message of a chat is sent with."""
        return self.of("permanent") + self.of("greeting") + self.of("example")

    @property
    def is_much(self) -> bool:
        """Whether what is sent always takes more than half of the window: little is left for the chat."""
        return self.of("permanent") > self.window * _MUCH

    def share(self, count: int) -> float:
        """The part of the window that `count` tokens take, in per cent, at most 100."""
        return min(100.0, round(100 * count / self.window, 2))


def measured(texts: Mapping[str, str], *, lore: int, window: int) -> TokenBudget:
    """The budget of these texts, by the ids of their fields."""
    return TokenBudget({id_: tokens(text) for id_, text in texts.items()}, lore, max(1, window))
