"""What people read about files and about pictures from prompts."""

from collections.abc import Sequence
from typing import Any

from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from studio.media.models import GenerationState, ImageGeneration, MediaFile, MediaPurpose

KINDS: dict[MediaPurpose, Any] = {
    MediaPurpose.PORTRAIT: _l("picture"),
    MediaPurpose.AUDIO: _l("sound"),
    MediaPurpose.VIDEO: _l("video"),
    MediaPurpose.DOCUMENT: _l("document"),
}

ICONS = {
    MediaPurpose.PORTRAIT: "photo",
    MediaPurpose.AUDIO: "music",
    MediaPurpose.VIDEO: "movie",
    MediaPurpose.DOCUMENT: "file-text",
}

USES: dict[str, Any] = {
    "characters": _l("Portrait of a character"),
    "character_versions": _l("Portrait in a saved version"),
    "listed_characters": _l("Portrait of a published character"),
    "card_documents": _l("Picture of an imported card"),
    "card_batch_items": _l("File of a bulk import"),
    "card_batch_parts": _l("File of a bulk import"),
    "stories": _l("Cover of a story"),
    "multimedia_messages": _l("Part of a chat message"),
}
"""What a use is called, by its table."""

STATES: dict[GenerationState, Any] = {
    GenerationState.PENDING: _l("waiting"),
    GenerationState.RUNNING: _l("being drawn"),
    GenerationState.COMPLETED: _l("done"),
    GenerationState.FAILED: _l("failed"),
    GenerationState.CANCELLED: _l("stopped"),
}

_MARKS = {
    GenerationState.PENDING: "queued",
    GenerationState.RUNNING: "running",
    GenerationState.COMPLETED: "succeeded",
    GenerationState.FAILED: "failed",
    GenerationState.CANCELLED: "cancelled",
}
"""The status whose colour a state has."""

STEPS = (
    _l("Waiting for the provider"),
    _l("The provider asks to wait"),
    _l("Drawing"),
    _l("Drawing a placeholder"),
    _l("Fetching the pictures"),
)
"""What providers tell while they work, marked here: they know no Flask."""

_LOCAL = _l("placeholders, drawn on this machine")
_BROKEN = _l("not configured")

OPTIONS: dict[str, Any] = {
    "negative_prompt": _l("What to leave out"),
    "steps": _l("Steps"),
    "guidance": _l("Guidance"),
    "seed": _l("Seed"),
}


def maker_of(name: str, label: str) -> str:
    """Who makes pictures, in the reader's words."""
    if name == "local":
        return str(_LOCAL)
    return str(_BROKEN) if label == "not configured" else label


def kind_of(file: MediaFile) -> str:
    """What kind of file it is."""
    return str(KINDS.get(file.purpose, file.purpose.value))


def size_of(bytes_count: int) -> str:
    """A size as people read it: "1.2 MB"."""
    if bytes_count < 1_000:  # noqa: PLR2004 - Under a kilobyte.
        return str(_("%(count)s bytes", count=format_decimal(bytes_count)))
    if bytes_count < 1_000_000:  # noqa: PLR2004 - Under a megabyte.
        return f"{format_decimal(round(bytes_count / 1_000))} kB"
    return f"{format_decimal(round(bytes_count / 1_000_000, 1))} MB"


def use_label(table: str) -> str:
    """What a use is called."""
    return str(USES.get(table, _("Other parts of the studio")))


def mark_of(state: GenerationState) -> tuple[str, str]:
    """The status whose colour the state has, and its words."""
    return _MARKS[state], str(STATES[state])


def why_failed(generation: ImageGeneration) -> str:
    """Why no picture came, in the reader's words."""
    if not generation.error_message:
        return ""
    params = generation.details.get("error_params") or {}
    return str(_(generation.error_message, **params)) if params else str(_(generation.error_message))


def cost_of(generation: ImageGeneration) -> str:
    """What a request cost: nothing for placeholders, a sum, or that nobody knows."""
    if generation.details.get("is_local"):
        return str(_("nothing, drawn on this machine"))
    if generation.cost_micro is None:
        return str(_("unknown")) if generation.state is GenerationState.COMPLETED else "–"
    return money_of(generation.cost_micro, generation.currency)


def money_of(micro: int, currency: str) -> str:
    """Millionths of a currency as people read a small sum."""
    return f"{format_decimal(round(micro / 1_000_000, 4))} {currency}"


def ignored_of(names: Sequence[str]) -> list[str]:
    """The options that a provider does not use, in the reader's words."""
    return [str(OPTIONS[name]) for name in names if name in OPTIONS]
