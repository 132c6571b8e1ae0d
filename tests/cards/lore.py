"""Lorebooks for tests: small ones written here, and what a chat calls up in them."""

from studio.cards.lore_matching import Message, Scan, Situation, scan
from studio.cards.lorebooks import normalise_book
from studio.cards.notes import Notebook


def entry(keys=(), content="text", **changes) -> dict:
    return {
        "keys": list(keys),
        "content": content,
        "extensions": {},
        "enabled": True,
        "insertion_order": 100,
        "use_regex": False,
        **changes,
    }


def book(*entries, **changes) -> dict:
    return normalise_book({"entries": list(entries), "extensions": {}, **changes}, Notebook(), "book", is_v3=True)


def chat(*lines) -> list[Message]:
    """Messages from lines `user: …`, `assistant: …`; a line without a role is the user's."""
    messages = []
    for line in lines:
        role, separator, text = line.partition(": ")
        messages.append(
            Message(role, text) if separator and role in {"user", "assistant", "system"} else Message("user", line)
        )
    return messages


def words(text: str) -> int:
    return len(text.split())


def look(a_book, *lines, **changes) -> Scan:
    situation = {"char": "Aria", "user": "Sam", "tokens": words, "near_misses": True, **changes}
    return scan(a_book, Situation(chat(*lines), **situation))


def kept(a_scan: Scan) -> list[int]:
    return [outcome.index for outcome in a_scan.kept]


def missing(a_scan: Scan, index: int) -> list[str]:
    return next((list(outcome.missing) for outcome in a_scan.missed if outcome.index == index), [])
