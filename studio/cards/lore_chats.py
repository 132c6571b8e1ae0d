"""A chat that somebody pasted, read into messages."""

import re

from studio.cards.lore_matching import Message

MOST_MESSAGES = 2_000

_SYSTEM = frozenset({"system", "narrator", "系统", "旁白"})
_USER = frozenset({"user", "you", "human", "me", "{{user}}", "<user>", "用户", "我"})
_ASSISTANT = frozenset({"char", "character", "bot", "assistant", "ai", "{{char}}", "<bot>", "<char>", "角色"})
_SPEAKER = re.compile(r"\s*(?:\*\*)?([^:：\n]{1,60}?)(?:\*\*)?\s*[:：]\s?(.*)", re.DOTALL)


def parse_chat(text: str, *, char: str, user: str) -> list[Message]:
    """The messages of a pasted chat, oldest first, at most the newest 2,000.

    A line that begins with somebody's name and a colon begins a message: `User:`, `Char:`, the names given, `System:`.
    Lines without one belong to the message above. Where no line names anybody, every paragraph is a message of the
    user's.
    """
    speakers = (
        dict.fromkeys(_SYSTEM, "system")
        | dict.fromkeys(_ASSISTANT | {char.strip().lower()}, "assistant")
        | dict.fromkeys(_USER | {user.strip().lower()}, "user")
    )
    found: list[tuple[str, list[str]]] = []
    is_named = False
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        match = _SPEAKER.match(line)
        role = speakers.get(match[1].strip().lower()) if match else None
        if match and role is not None:
            is_named = True
            found.append((role, [match[2]]))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            found.append(("user", [line]))
    if not is_named:
        found = [("user", [part]) for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if part.strip()]
    messages = (Message(role, "\n".join(lines).strip()) for role, lines in found)
    return [message for message in messages if message.text][-MOST_MESSAGES:]
