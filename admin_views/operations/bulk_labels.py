"""What people read for actions on many rows, and for what they ask."""

from flask_babel import lazy_gettext as _l

from studio.operations.bulk_actions import Asks

BULK_LABELS = {
    "characters.add_tag": _l("Add a tag"),
    "characters.remove_tag": _l("Remove a tag"),
    "characters.set_rating": _l("Set the rating"),
    "characters.archive": _l("Archive"),
    "characters.restore": _l("Restore from the archive"),
    "listings.unlist": _l("Take off the market"),
    "listings.relist": _l("Put on the market again"),
    "errors.resolve": _l("Mark as dealt with"),
    "errors.reopen": _l("Open again"),
    "jobs.cancel": _l("Stop"),
    "jobs.retry": _l("Do again"),
    "people.suspend": _l("Suspend"),
    "people.reinstate": _l("Let in again"),
    "people.end_sessions": _l("Sign out everywhere"),
}
"""Every action has one; a test holds it."""

ASKS_LABELS = {Asks.TAG: _l("Tag"), Asks.RATING: _l("Rating"), Asks.REASON: _l("Why")}


def action_label(name: str) -> str:
    """The action in the reader's words."""
    return str(BULK_LABELS.get(name, name))
