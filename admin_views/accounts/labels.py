"""Names of roles in the reader's language, and what each is for."""

from flask_babel import lazy_gettext as _l

from studio.accounts.permissions import RoleName

ROLE_LABELS = {
    RoleName.CREATOR: _l("Creator"),
    RoleName.MODERATOR: _l("Moderator"),
    RoleName.STAFF: _l("Staff"),
    RoleName.ADMIN: _l("Admin"),
}

ROLE_SENTENCES = {
    RoleName.CREATOR: _l("Writes characters, brings cards, submits listings."),
    RoleName.MODERATOR: _l("Works the review queue."),
    RoleName.STAFF: _l("Sees jobs, errors and figures, and runs maintenance."),
    RoleName.ADMIN: _l("Manages people and their roles."),
}


def role_label(role: RoleName) -> str:
    """The role's name."""
    return str(ROLE_LABELS[role])
