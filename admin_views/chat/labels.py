"""What people read for the parts of a prompt, why something was left out, and what an answer cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import format_currency
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import formats
from admin_views.session import current_actor
from admin_views.work.labels import told_to
from studio.accounts.permissions import Permission
from studio.chat.models import AssistKind, AssistOutcome
from studio.chat.prompts import PartKind, Reason
from studio.providers.language.prices import MICRO

PARTS = {
    PartKind.SYSTEM_PROMPT: _l("System prompt"),
    PartKind.LORE_BEFORE: _l("Lore before the character"),
    PartKind.DESCRIPTION: _l("Description"),
    PartKind.PERSONALITY: _l("Personality"),
    PartKind.RELATIONSHIPS: _l("Relationships"),
    PartKind.CURRENT_STATE: _l("Current state"),
    PartKind.SCENARIO: _l("Scenario"),
    PartKind.SCENE: _l("Scene"),
    PartKind.LORE_AFTER: _l("Lore after the character"),
    PartKind.EXAMPLE: _l("Example dialogue"),
    PartKind.HISTORY: _l("Chat so far"),
    PartKind.LORE_AT_DEPTH: _l("Lore within the chat"),
    PartKind.NOTE: _l("Character's note"),
    PartKind.AFTER_HISTORY: _l("Instructions after the history"),
}
REASONS = {
    Reason.NO_ROOM: _l("no room in the window"),
    Reason.OLDER: _l("older than the messages that the character looks back on"),
    Reason.OVER_BUDGET: _l("over the lorebook's budget"),
    Reason.TOO_LARGE: _l("larger than the lorebook's budget"),
    Reason.YIELDS: _l("yields where the budget is full"),
    Reason.OUTLET: _l("meant for an outlet, which this chat does not have"),
    Reason.SWITCHED_OFF: _l("switched off by a lorebook entry"),
}
CAUSES = {
    "key": _l("its key stands in the chat"),
    "recursion": _l("another entry called it"),
    "constant": _l("always on"),
    "activated": _l("always on by a decorator"),
    "still_on": _l("stays on since an earlier message"),
}
ASSISTS = {
    AssistKind.SUGGEST: _l("Suggest"),
    AssistKind.IMPROVE: _l("Improve"),
    AssistKind.SHORTEN: _l("Shorten"),
    AssistKind.TO_CHINESE: _l("Into Chinese"),
    AssistKind.TO_ENGLISH: _l("Into English"),
}
OUTCOMES = {
    AssistOutcome.OFFERED: _l("not decided"),
    AssistOutcome.ACCEPTED: _l("accepted"),
    AssistOutcome.PARTLY: _l("accepted in part"),
    AssistOutcome.REJECTED: _l("rejected"),
    AssistOutcome.FAILED: _l("failed"),
}
LORE = frozenset({PartKind.LORE_BEFORE, PartKind.LORE_AFTER, PartKind.LORE_AT_DEPTH})
_HUES = 14
_TENTH = 100
"""Milliseconds."""


@dataclass(frozen=True)
class Share:
    """All parts of one kind: how many are sent and left out, their tokens, and their share of what was sent."""

    kind: str
    label: str
    sent: int
    tokens: int
    percent: int
    left_out: int
    reasons: tuple[str, ...]
    hue: int
    parts: tuple[Mapping[str, Any], ...]


def shares(parts: Sequence[Mapping[str, Any]]) -> list[Share]:
    """The parts of a prompt by kind, in its order."""
    total = sum(part["tokens"] for part in parts if "left_out" not in part) or 1
    found = []
    for number, kind in enumerate(PartKind):
        own = tuple(part for part in parts if part["kind"] == kind)
        if not own:
            continue
        tokens = sum(part["tokens"] for part in own if "left_out" not in part)
        out = [part for part in own if "left_out" in part]
        reasons = tuple(dict.fromkeys(reason_label(part["left_out"]) for part in out))
        found.append(
            Share(
                kind=kind.value,
                label=str(PARTS[kind]),
                sent=len(own) - len(out),
                tokens=tokens,
                percent=round(100 * tokens / total),
                left_out=len(out),
                reasons=reasons,
                hue=number % _HUES,
                parts=own,
            )
        )
    return found


def lore_of(parts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lorebook's entries among the parts."""
    return [part for part in parts if part["kind"] in LORE]


def provider_label(label: str) -> str:
    """What the provider of answers calls itself, in the reader's language."""
    return formats.provider_label(label)


def reason_label(reason: str) -> str:
    """Why a part was left out."""
    return str(REASONS[Reason(reason)]) if reason in set(Reason) else reason


def cause_label(cause: str) -> str:
    """Why an entry of the lorebook fired."""
    return str(CAUSES.get(cause, cause))


def failure_sentence(failure: Mapping[str, Any] | None) -> str:
    """A refusal that a row keeps, in the reader's language."""
    if not failure:
        return ""
    is_staff = current_actor().may(Permission.HEALTH_READ)
    return told_to(failure["msgid"], failure.get("params") or {}, is_staff=is_staff)


def cost_label(cost_micro: int | None, currency: str) -> str:
    """A cost in millionths of the currency as a reader writes it; one that nobody knows is called that."""
    if cost_micro is None:
        return str(_("price unknown"))
    amount = Decimal(cost_micro) / MICRO
    return str(format_currency(amount, currency, locale=str(get_locale() or "en"), decimal_quantization=False))


def milliseconds(value: int | None) -> str:
    """A duration in seconds, short."""
    if value is None:
        return ""
    return str(_("%(seconds).1f s", seconds=value / 1_000) if value >= _TENTH else _("under 0.1 s"))
