"""What people read about files and about pictures from prompts."""

from collections.abc import Sequence
from typing import Any

from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import formats
from admin_views.work.labels import micro_label, told_to
from studio.media.models import GenerationState, ImageGeneration, MediaFile, MediaPurpose
from studio.providers.images import Basis, Price
from studio.work.models import JobRun

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


def maker_of(name: str, label: str, *, is_staff: bool) -> str:
    """Who makes pictures, in the reader's words; on which machine is for staff alone to know."""
    if name == "local":
        return str(_LOCAL)
    if label == "not configured":
        return str(_BROKEN)
    return formats.provider_label(label if is_staff else label.rpartition(", at ")[0] or label)


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


def why_failed(generation: ImageGeneration, *, is_staff: bool) -> str:
    """Why no picture came, in the reader's words: what is the staff's to mend is told by its setting to them alone."""
    if not generation.error_message:
        return ""
    return told_to(generation.error_message, generation.details.get("error_params") or {}, is_staff=is_staff)


def paid_of(generation: ImageGeneration, job: JobRun | None = None) -> int | None:
    """What a request cost so far in millionths, by its job where the history does not know it yet."""
    if generation.cost_micro is None and job is not None and job.cost_micro:
        return job.cost_micro
    return generation.cost_micro


def cost_of(generation: ImageGeneration, job: JobRun | None = None) -> str:
    """What a request cost: nothing for placeholders and on a server of one's own, a sum (and that it is assumed), or that nobody knows."""
    if generation.details.get("is_local"):
        return str(_("nothing, drawn on this machine"))
    paid = paid_of(generation, job)
    if paid is None:
        return str(_("unknown")) if generation.state is GenerationState.COMPLETED else "–"
    if not paid:
        return str(_("nothing"))
    cost = micro_label(paid, generation.currency)
    return str(_("%(cost)s (assumed)", cost=cost)) if generation.details.get("is_cost_assumed") else cost


def price_told(price: Price, currency: str) -> str:
    """What a picture costs, and how that is known, in a sentence, before it is asked for."""
    counted = micro_label(price.micro(), currency)
    if price.basis is Basis.LOCAL:
        return str(_("Costs nothing."))
    if price.basis is Basis.OWN:
        return str(_("Costs nothing: the picture server is the studio's own."))
    if price.basis is Basis.LISTED:
        return str(_("About %(price)s for each picture.", price=counted))
    if not price.micro():
        return str(_("What a picture costs is not known here; staff have it count as nothing."))
    return str(
        _("What a picture costs is not known here: each counts as %(price)s, so that your budget holds.", price=counted)
    )


def ignored_of(names: Sequence[str]) -> list[str]:
    """The options that a provider does not use, in the reader's words."""
    return [str(OPTIONS[name]) for name in names if name in OPTIONS]


def told_out_of(file: MediaFile) -> str:
    """What was taken out of a document besides its maker's names, in the reader's words; empty where nothing was."""
    details = file.details
    if details.get("had_active") and details.get("had_files"):
        return str(_("scripts and actions; attached files and players"))
    if details.get("had_active"):
        return str(_("scripts and actions"))
    return str(_("attached files and players")) if details.get("had_files") else ""
