"""The one table that answers "who can?": permissions, roles, and which role grants what."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from studio.kit.errors import ForbiddenError


class Permission(StrEnum):
    """One thing that a person may do, as `<resource>:<action>`."""

    STUDIO_ENTER = "studio:enter"

    CHARACTER_READ_OWN = "character:read_own"
    CHARACTER_READ_PUBLISHED = "character:read_published"
    CHARACTER_READ_ANY = "character:read_any"
    CHARACTER_WRITE_OWN = "character:write_own"
    CHARACTER_WRITE_ANY = "character:write_any"
    CHARACTER_SEARCH = "character:search"
    CHAT_TEST = "chat:test"
    CHAT_ASSIST = "chat:assist"
    SPEECH_MAKE = "speech:make"
    CARD_IMPORT = "card:import"
    CARD_EXPORT = "card:export"
    STORY_READ = "story:read"
    STORY_WRITE = "story:write"

    MEDIA_READ_OWN = "media:read_own"
    MEDIA_READ_ANY = "media:read_any"
    MEDIA_WRITE_OWN = "media:write_own"
    MEDIA_GENERATE = "media:generate"

    CATEGORY_READ = "category:read"
    CATEGORY_WRITE = "category:write"
    LISTING_READ_OWN = "listing:read_own"
    LISTING_READ_LIVE = "listing:read_live"
    LISTING_READ_ANY = "listing:read_any"
    LISTING_SUBMIT = "listing:submit"
    LISTING_REPORT = "listing:report"
    LISTING_FEATURE = "listing:feature"
    REVIEW_READ = "review:read"
    REVIEW_DECIDE = "review:decide"
    REASON_WRITE = "review:write_reasons"
    SCREENING_READ = "screening:read"
    SCREENING_WRITE = "screening:write"

    PURCHASE_MAKE = "purchase:make"
    PURCHASE_READ_OWN = "purchase:read_own"
    EARNINGS_READ_OWN = "earnings:read_own"
    MONEY_READ_ANY = "money:read_any"
    MONEY_REFUND = "money:refund"
    MONEY_CORRECT = "money:correct"
    PAYOUT_MAKE = "payout:make"

    JOB_READ_OWN = "job:read_own"
    JOB_READ_ANY = "job:read_any"
    JOB_STEER_OWN = "job:steer_own"
    JOB_STEER_ANY = "job:steer_any"
    BULK_JOB_RUN = "bulk_job:run"
    QUEUE_STEER = "queue:steer"
    SCHEDULE_RUN = "schedule:run"
    BUDGET_WRITE = "budget:write"

    ERROR_READ = "error:read"
    ERROR_RESOLVE = "error:resolve"
    AUDIT_READ = "audit:read"
    HEALTH_READ = "health:read"

    PERSON_READ = "person:read"
    PERSON_WRITE = "person:write"
    ROLE_ASSIGN = "role:assign"


class RoleName(StrEnum):
    """The roles of the studio; a person may hold several."""

    CREATOR = "creator"
    MODERATOR = "moderator"
    STAFF = "staff"
    ADMIN = "admin"


_P = Permission

_EVERYONE = frozenset(
    {
        _P.STUDIO_ENTER,
        _P.JOB_READ_OWN,
        _P.JOB_STEER_OWN,
        _P.MEDIA_READ_OWN,
        _P.LISTING_READ_LIVE,
        _P.LISTING_REPORT,
        _P.PURCHASE_MAKE,
        _P.PURCHASE_READ_OWN,
    }
)

GRANTS: dict[RoleName, frozenset[Permission]] = {
    RoleName.CREATOR: _EVERYONE
    | {
        _P.CHARACTER_READ_OWN,
        _P.CHARACTER_READ_PUBLISHED,
        _P.CHARACTER_WRITE_OWN,
        _P.CHARACTER_SEARCH,
        _P.CHAT_TEST,
        _P.CHAT_ASSIST,
        _P.SPEECH_MAKE,
        _P.CARD_IMPORT,
        _P.CARD_EXPORT,
        _P.MEDIA_WRITE_OWN,
        _P.MEDIA_GENERATE,
        _P.CATEGORY_READ,
        _P.LISTING_READ_OWN,
        _P.LISTING_SUBMIT,
        _P.EARNINGS_READ_OWN,
    },
    RoleName.MODERATOR: _EVERYONE
    | {
        _P.CHARACTER_READ_PUBLISHED,
        _P.CHARACTER_READ_ANY,
        _P.CHARACTER_SEARCH,
        _P.CHAT_TEST,
        _P.MEDIA_READ_ANY,
        _P.CATEGORY_READ,
        _P.LISTING_READ_ANY,
        _P.REVIEW_READ,
        _P.REVIEW_DECIDE,
        _P.REASON_WRITE,
        _P.SCREENING_READ,
    },
    RoleName.STAFF: _EVERYONE
    | {
        _P.CHARACTER_READ_PUBLISHED,
        _P.CHARACTER_READ_ANY,
        _P.CHARACTER_SEARCH,
        _P.CHAT_TEST,
        _P.CHAT_ASSIST,
        # Of official characters alone: an export asks whose the character is to change.
        _P.CARD_EXPORT,
        _P.SPEECH_MAKE,
        _P.STORY_READ,
        _P.STORY_WRITE,
        _P.MEDIA_READ_ANY,
        _P.MEDIA_WRITE_OWN,
        _P.MEDIA_GENERATE,
        _P.CATEGORY_READ,
        _P.CATEGORY_WRITE,
        _P.LISTING_READ_ANY,
        _P.LISTING_FEATURE,
        _P.REVIEW_READ,
        _P.SCREENING_READ,
        _P.JOB_READ_ANY,
        _P.JOB_STEER_ANY,
        _P.BULK_JOB_RUN,
        _P.QUEUE_STEER,
        _P.SCHEDULE_RUN,
        _P.BUDGET_WRITE,
        _P.ERROR_READ,
        _P.ERROR_RESOLVE,
        _P.AUDIT_READ,
        _P.HEALTH_READ,
        _P.MONEY_READ_ANY,
        _P.MONEY_REFUND,
        _P.MONEY_CORRECT,
        _P.PAYOUT_MAKE,
    },
    RoleName.ADMIN: _EVERYONE
    | {
        _P.CATEGORY_READ,
        _P.REASON_WRITE,
        _P.SCREENING_READ,
        _P.SCREENING_WRITE,
        _P.PERSON_READ,
        _P.PERSON_WRITE,
        _P.ROLE_ASSIGN,
        _P.AUDIT_READ,
        _P.HEALTH_READ,
        _P.ERROR_READ,
        _P.JOB_READ_ANY,
        _P.BUDGET_WRITE,
    },
}
"""What each role grants. Whatever stands in no granted set is refused."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person with roles, or the studio itself.

    Services ask `actor.may(…)`; queries build their scope from `actor.user_id`.
    """

    user_id: UUID | None
    roles: frozenset[RoleName] = frozenset()
    name: str = ""
    is_system: bool = False
    permissions: frozenset[Permission] = field(init=False)

    def __post_init__(self) -> None:
        granted = frozenset(Permission) if self.is_system else granted_by(self.roles)
        object.__setattr__(self, "permissions", granted)

    def may(self, permission: Permission) -> bool:
        """Whether any of the actor's roles grants `permission`."""
        return permission in self.permissions

    def must(self, permission: Permission) -> None:
        """Return if the actor may; raise ForbiddenError otherwise."""
        if not self.may(permission):
            raise ForbiddenError


def granted_by(roles: Iterable[RoleName]) -> frozenset[Permission]:
    """Everything that `roles` grant together; nothing for no role."""
    return frozenset().union(*(GRANTS[role] for role in roles))


NOBODY = Actor(user_id=None)
"""Someone who is not signed in."""

SYSTEM = Actor(user_id=None, name="studio", is_system=True)
"""The studio itself: jobs, the demo and commands on the server."""
