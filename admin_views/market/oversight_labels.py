"""What people read for flags, reports, notices and outcomes, in their language."""

from typing import Any

from flask_babel import lazy_gettext as _l

from studio.market.models import FlagKind, Notice, Outcome, ReportReason

FLAG_LABELS = {
    FlagKind.NEW_CREATOR: _l("new creator"),
    FlagKind.REPORTED: _l("reported"),
    FlagKind.SCREENING: _l("screening found something"),
    FlagKind.APPEAL: _l("appeal"),
    FlagKind.CHANGED_AFTER_APPROVAL: _l("changed after approval"),
    FlagKind.QUARANTINED: _l("hidden for review"),
    FlagKind.REQUEUED: _l("looked at again"),
}

REPORT_LABELS = {
    ReportReason.WRONG_RATING: _l("The content rating is too low"),
    ReportReason.MINORS: _l("Minors, or characters who look like minors, in sexual content"),
    ReportReason.REAL_PERSON: _l("It is about a real person"),
    ReportReason.COPYRIGHT: _l("It is copied from somebody"),
    ReportReason.HATE: _l("Hate or harassment"),
    ReportReason.SELF_HARM: _l("It encourages self-harm"),
    ReportReason.ADVERTISING: _l("Advertising, links or spam"),
    ReportReason.MISLEADING: _l("It is not what the listing says"),
    ReportReason.OTHER: _l("Something else"),
}

NOTICE_TEXTS = {
    Notice.CHANGED: _l(
        "The approval no longer holds: the listing was changed after the moderator had seen it. "
        "You need not do anything; it waits for review again."
    ),
    Notice.ARCHIVED: _l(
        "The character was archived, so this listing is off the market. Restore the character, then offer it again."
    ),
    Notice.SOLD: _l("The character was sold exclusively, so this listing is off the market."),
    Notice.QUARANTINED: _l(
        "This listing is hidden until a moderator has looked at it, from its buyers too. You see the decision here."
    ),
    Notice.REPORTED: _l("Somebody reported this listing, so a moderator looks at it again. It stays live meanwhile."),
    Notice.RESTORED: _l("Your appeal was upheld: the decision is overturned."),
}

OUTCOME_LABELS = {
    Outcome.APPROVED: _l("approved"),
    Outcome.CHANGES_REQUESTED: _l("sent back"),
    Outcome.REJECTED: _l("rejected"),
    Outcome.TAKEN_DOWN: _l("taken down"),
}


def flag_label(kind: FlagKind) -> str:
    """A flag in the reader's words."""
    return str(FLAG_LABELS[kind])


def report_label(reason: ReportReason) -> str:
    """A reason of reports in the reader's words."""
    return str(REPORT_LABELS[reason])


def notice_text(notice: Notice) -> str:
    """What happened to a listing, as its creator reads it."""
    return str(NOTICE_TEXTS[notice])


def outcome_label(outcome: Outcome) -> str:
    """An outcome in the reader's words."""
    return str(OUTCOME_LABELS[outcome])


def oversight_labels() -> dict[str, Any]:
    """All of these for templates."""
    return {
        "flag_label": flag_label,
        "report_label": report_label,
        "notice_text": notice_text,
        "outcome_label": outcome_label,
    }
