"""Why the catalogue refuses: listings, their states and the categories they stand in."""

from collections.abc import Mapping

from studio.kit.errors import ConflictError, ForbiddenError, InvalidError


class ListingInvalidError(InvalidError):
    """What was written into a listing breaks a rule; every wrong field is named at once."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("The listing was not submitted; mend the marked fields.", fields=fields)


class TooManyDraftsError(ConflictError):
    """Drafts are for what is being written."""

    def __init__(self, most: int) -> None:
        super().__init__(
            "You have %(most)s drafts of listings, which is the most. Submit or delete one first.", most=most
        )


class NotOwnCharacterError(ForbiddenError):
    """Only who owns a character offers it."""

    def __init__(self) -> None:
        super().__init__("Only the character's owner can submit a listing of it.")


class ArchivedCharacterError(ConflictError):
    """An archived character is offered to nobody."""

    def __init__(self) -> None:
        super().__init__("This character is archived. Restore it first, then submit the listing.")


class AlreadyPendingError(ConflictError):
    """One listing of a character waits for review at a time."""

    def __init__(self, title: str) -> None:
        super().__init__(
            "The listing “%(title)s” of this character already waits for review. Withdraw it first, or wait for the decision.",
            title=title,
        )


class SevereUnchangedError(ConflictError):
    """A severe decision is not asked for once more."""

    def __init__(self) -> None:
        super().__init__(
            "This was sent back for a severe reason, and it is still the same. Change what the reasons name, or appeal "
            "against the decision on the page of that listing; nothing was submitted."
        )


class NotPendingError(ConflictError):
    """Only what waits can be withdrawn."""

    def __init__(self) -> None:
        super().__init__("This listing does not wait for review any more. What is live is taken off by “Unlist”.")


class NotLiveError(ConflictError):
    """Only what is live can be taken off the market."""

    def __init__(self) -> None:
        super().__init__("This listing is not live, so there is nothing to do here. Look at where it stands.")


class NotUnlistedError(ConflictError):
    """Only what was approved and then taken off can go back."""

    def __init__(self) -> None:
        super().__init__("Only a listing that was approved and then unlisted can be listed again.")


class OtherLiveError(ConflictError):
    """A character is live once."""

    def __init__(self, title: str) -> None:
        super().__init__("The listing “%(title)s” of this character is live. Unlist it first.", title=title)


class TakenDownSinceError(ConflictError):
    """What a severe takedown of another version is in the way of needs a moderator's look."""

    def __init__(self) -> None:
        super().__init__(
            "A version of this character was taken down for a severe reason since this listing was approved, so it cannot be "
            "listed again by itself. Submit the character anew: a moderator looks at it first."
        )


class ContentChangedError(ConflictError):
    """What would go live is not what the moderator saw."""

    def __init__(self) -> None:
        super().__init__("The listing is no longer what you saw. Nothing was decided; read it again and decide then.")


class StepImpossibleError(ConflictError):
    """The table of steps has no such step."""

    def __init__(self) -> None:
        super().__init__("This listing is in another state by now, so this cannot be done. Look at it again.")


class QuarantinedError(ConflictError):
    """What is hidden for a look is not offered anew meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            "A listing of this character is hidden until a moderator has looked at it. Wait for that decision first."
        )


class ScheduleInvalidError(InvalidError):
    """A time that cannot be."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"publish_at": sentence})


class NotScheduledError(ConflictError):
    """Only what is not live yet has a time."""

    def __init__(self) -> None:
        super().__init__("Only a listing that waits for review, or for its time, can be given another time.")


class FeatureInvalidError(InvalidError):
    """A time that cannot be."""

    def __init__(self) -> None:
        sentence = "Choose a day within the next year."
        super().__init__(sentence, fields={"until": sentence})


class CategoryCircleError(InvalidError):
    """A shelf cannot stand in itself."""

    def __init__(self) -> None:
        sentence = "A category cannot stand below itself or below one of its own. Choose another parent."
        super().__init__(sentence, fields={"parent_id": sentence})


class CategoryTooDeepError(InvalidError):
    """Shelves in shelves in shelves: nobody finds anything there."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "Categories stand in one another %(most)s levels deep at most. Choose a place farther up.", most=most
        )


class CategoryInUseError(ConflictError):
    """Listings stand in the category, and nobody said where they go."""

    def __init__(self, *, count: int) -> None:
        super().__init__("%(count)s listings stand in this category. Say first where they go.", count=count)


class CategoryParentError(ConflictError):
    """Others stand in the category."""

    def __init__(self, *, names: str, count: int) -> None:
        super().__init__(
            "Other categories (%(count)s) stand in this one: %(names)s. Move them first.", names=names, count=count
        )


class CategoryDestinationError(InvalidError):
    """Listings cannot go there."""

    def __init__(self) -> None:
        sentence = "Choose another, open category for the listings."
        super().__init__(sentence, fields={"to": sentence})


class CategoryNameTakenError(InvalidError):
    """Two shelves of one name would be taken for each other."""

    def __init__(self) -> None:
        sentence = "There is a category of this name already. Choose another name."
        super().__init__(sentence, fields={"name": sentence})


class CategoryInvalidError(InvalidError):
    """What was written into a category breaks a rule."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("The category was not saved; mend the marked fields.", fields=fields)


class SoldExclusivelyError(ConflictError):
    """What one person has alone is offered to nobody else."""

    def __init__(self) -> None:
        super().__init__("This character was sold exclusively. It can't be offered again.")


class ExclusiveTooLateError(ConflictError):
    """What others have already cannot become exclusive."""

    def __init__(self) -> None:
        sentence = "Others have this character under an earlier licence, so it can't be exclusive any more."
        super().__init__(sentence)
