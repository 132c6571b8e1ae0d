"""What people read in the audit log for the kinds of rows, for the names of what changed, and for values that are words of the studio."""

from flask_babel import lazy_gettext as _l

from admin_views.authoring.version_labels import INNER_LABELS, inner_label, part_label
from admin_views.formats import status_label
from admin_views.market.labels import FIELD_LABELS, check_title
from admin_views.market.oversight_labels import outcome_label
from studio.market.models import Outcome

KIND_LABELS = {
    "appeal": _l("Appeal"),
    "card_batch": _l("Import of many cards"),
    "category": _l("Category"),
    "character": _l("Character"),
    "error": _l("Error"),
    "image_generation": _l("Picture made by a model"),
    "job": _l("Job"),
    "listing": _l("Listing"),
    "listing_draft": _l("Draft of a listing"),
    "listing_report": _l("Report"),
    "media_file": _l("File"),
    "payout": _l("Payout"),
    "payout_account": _l("Destination of payouts"),
    "period": _l("Month"),
    "person": _l("Person"),
    "provider": _l("Provider"),
    "purchase": _l("Purchase"),
    "queue": _l("Queue"),
    "review_case": _l("Case at the desk"),
    "review_reason": _l("Reason of a decision"),
    "schedule": _l("Schedule"),
    "screening_check": _l("Screening check"),
    "speech": _l("Speech"),
    "story": _l("Story"),
    "voice": _l("Voice"),
}
"""Every kind of row that the studio writes down has one; a test holds it."""

NAME_LABELS = {
    "act": _l("Act"),
    "amount_minor": _l("Amount"),
    "batch_id": _l("Batch"),
    "category_id": _l("Category"),
    "character": _l("Character"),
    "character_id": _l("Character"),
    "characters": _l("Characters"),
    "check": _l("Check"),
    "claimed_by": _l("Claimed by"),
    "code": _l("Code"),
    "codes_left": _l("Codes left"),
    "content_hash": _l("Hash of the content"),
    "cost_micro": _l("Cost"),
    "count": _l("Count"),
    "cover_id": _l("Cover"),
    "currency": _l("Currency"),
    "decision": _l("Decision"),
    "display_order": _l("Order"),
    "document_id": _l("Document"),
    "email": _l("Email"),
    "ending": _l("Ending"),
    "entries": _l("Entries"),
    "entry": _l("Entry"),
    "error_type": _l("Kind of error"),
    "event": _l("Event"),
    "featured_until": _l("Featured until"),
    "fee_minor": _l("Fee"),
    "file": _l("File"),
    "fingerprint": _l("Fingerprint"),
    "form": _l("Form"),
    "format": _l("Format"),
    "icon": _l("Icon"),
    "is_active": _l("In use"),
    "is_approval_carried": _l("Approval holds there too"),
    "is_severe": _l("Severe"),
    "kept_at": _l("Kept"),
    "kind": _l("Kind"),
    "license_type": _l("Licence"),
    "limit_micro": _l("Limit"),
    "message": _l("Message"),
    "mode": _l("Switch"),
    "name_en": _l("Name in English"),
    "name_zh": _l("Name in Chinese"),
    "occasion": _l("Occasion"),
    "outcome": _l("Outcome"),
    "parent_id": _l("Parent"),
    "period": _l("Month"),
    "place": _l("Place"),
    "portrait_id": _l("Portrait"),
    "price": _l("Price"),
    "price_minor": _l("Price"),
    "problem": _l("Problem"),
    "provider": _l("Provider"),
    "publish_at": _l("Goes live"),
    "reason": _l("Reason"),
    "reasons": _l("Reasons"),
    "reference": _l("Reference"),
    "replaces": _l("Replaces"),
    "reporters": _l("People"),
    "restored_from": _l("Brought back from"),
    "roles": _l("Roles"),
    "row_version": _l("Row version"),
    "sha256": _l("SHA-256"),
    "sort_order": _l("Order"),
    "state": _l("State"),
    "statements": _l("Statements"),
    "status": _l("Status"),
    "story_id": _l("Story"),
    "suspension_reason": _l("Reason of the suspension"),
    "to_moderator": _l("Note to the moderator"),
    "version_number": _l("Version"),
    "way": _l("Way"),
    "why": _l("Why"),
}
"""Names that forms do not have; those of cards, settings and lore are called as they are called there."""

_STATES = frozenset({"status", "state", "roles", "license_type", "content_rating"})
"""Names whose values are words of the studio."""


def kind_label(kind: str) -> str:
    """A kind of row; one of an earlier version of the studio keeps its own name."""
    return str(KIND_LABELS[kind]) if kind in KIND_LABELS else kind


def kinds_called(text: str) -> list[str]:
    """The kinds whose words, as the reader reads them, hold this text."""
    wanted = text.casefold()
    return [kind for kind, label in KIND_LABELS.items() if wanted and wanted in str(label).casefold()]


def name_label(name: str) -> str:
    """What changed, by its name; what nobody knows keeps its own."""
    for known in (NAME_LABELS, FIELD_LABELS):
        if name in known:
            return str(known[name])
    return inner_label(name) if name in INNER_LABELS else part_label(name)


def value_label(name: str, value: str) -> str:
    """A value that is a word of the studio, in the reader's words; any other as it is."""
    if name == "outcome" and value in set(Outcome):
        return outcome_label(Outcome(value))
    if name == "check":
        return check_title(value)
    return status_label(value) if name in _STATES else value
