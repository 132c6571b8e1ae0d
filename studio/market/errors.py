"""Why the market refuses."""

from collections.abc import Mapping
from datetime import datetime

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


class OwnPublicationError(ForbiddenError):
    """Nobody decides on their own work."""

    def __init__(self) -> None:
        super().__init__("This is your own listing; somebody else has to review it.")


class StillScreenedError(ConflictError):
    """The checks come first."""

    def __init__(self) -> None:
        super().__init__("This listing is still being screened; it joins the queue in a moment.")


class NotUnderReviewError(ConflictError):
    """The case is closed."""

    def __init__(self) -> None:
        super().__init__("This review is closed: it was decided, or the creator withdrew the listing.")


class ClaimedByOtherError(ConflictError):
    """Somebody else is at it."""

    def __init__(self, name: str, until: datetime) -> None:
        super().__init__("%(name)s works on this review until %(until)s UTC.", name=name, until=f"{until:%H:%M}")


class NotClaimedError(ConflictError):
    """A decision needs a claim."""

    def __init__(self) -> None:
        super().__init__("Claim this review first; your claim has ended or was given back.")


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


class TooLateError(ConflictError):
    """The effects have left."""

    def __init__(self) -> None:
        super().__init__("It is too late to undo this: the decision is in effect. Have the listing reviewed again.")


class DecisionMadeError(ConflictError):
    """A decision is held back for a few seconds, or waits for a second person."""

    def __init__(self) -> None:
        super().__init__("A decision on this listing was just made. Wait until it is in effect, or undo it first.")


class ConfirmedError(ConflictError):
    """What two people decided, one alone does not undo."""

    def __init__(self) -> None:
        super().__init__("A second person has confirmed this takedown: you can no longer undo it alone.")


class OtherMindError(ForbiddenError):
    """Two people means two."""

    def __init__(self) -> None:
        super().__init__("You made this decision yourself; a second person has to confirm it.")


class NothingToConfirmError(ConflictError):
    """Nobody waits for a second person here."""

    def __init__(self) -> None:
        super().__init__("This waits for no second person any more. Look at where the listing stands now.")


class NothingToSayError(InvalidError):
    """What is done to somebody's listing is explained."""

    def __init__(self) -> None:
        sentence = "Say why in a sentence; other moderators read it."
        super().__init__(sentence, fields={"reason": sentence})


class NoteInvalidError(InvalidError):
    """A note that says nothing, or too much."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"text": sentence})


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


class OwnReportError(ForbiddenError):
    """Nobody reports themselves."""

    def __init__(self) -> None:
        super().__init__("This is your own listing. Withdraw it or take it off the market instead of reporting it.")


class TooManyReportsError(ConflictError):
    """Reports are for what is wrong, not a weapon."""

    status = 429

    def __init__(self, most: int) -> None:
        super().__init__(
            "You reported %(most)s listings within a day, which is the most. Go on tomorrow; for what cannot wait, "
            "write to whoever runs the studio.",
            most=most,
        )


class ReportInvalidError(InvalidError):
    """A report without a reason, or with too many words."""


class ReportClosedError(ConflictError):
    """A report is closed once."""

    def __init__(self) -> None:
        super().__init__("This report is closed already. Nothing was changed.")


class NotAppealableError(ConflictError):
    """There is no decision that can be appealed against, or no time left."""

    def __init__(self) -> None:
        super().__init__(
            "There is nothing to appeal against: no decision went against this listing, or it is more than 184 days old."
        )


class AppealedAlreadyError(ConflictError):
    """One appeal for each decision."""

    def __init__(self) -> None:
        super().__init__("You appealed against this decision already. You see the answer on the listing's page.")


class AppealInvalidError(InvalidError):
    """An appeal that says nothing, or too much."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"text": sentence})


class AppealOwnDecisionError(ForbiddenError):
    """Nobody judges their own judgement."""

    def __init__(self) -> None:
        super().__init__("You took part in this decision, or the listing is yours; somebody else answers the appeal.")


class AppealClosedError(ConflictError):
    """An appeal is answered once."""

    def __init__(self) -> None:
        super().__init__("This appeal is answered already; the answer stands below.")


class AnswerInvalidError(InvalidError):
    """An answer that says nothing, or too much."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"answer": sentence})


class ReasonsInvalidError(InvalidError):
    """A rejection without a reason, or with one that does not exist."""


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


class OtherPostingError(ConflictError):
    """A key stands for one posting, for ever."""

    def __init__(self) -> None:
        super().__init__(
            "The ledger holds something else under this key. Nothing was posted; tell whoever runs the studio."
        )


class NotForSaleError(ConflictError):
    """What is off the market, archived or sold cannot be bought."""

    def __init__(self) -> None:
        super().__init__("This character is not for sale (any more). Nothing was charged.")


class OwnPurchaseError(ForbiddenError):
    """Nobody buys from themselves."""

    def __init__(self) -> None:
        super().__init__("This is your own listing: you have the character already.")


class AlreadyBoughtError(ConflictError):
    """A person buys a character once, with all its versions."""

    def __init__(self) -> None:
        super().__init__("You have this character already. Find it among your purchases; nothing was charged.")


class ReservedError(ConflictError):
    """An exclusive is kept for who is paying for it."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody is paying for this exclusive just now. If they don't, it is free again within half an hour."
        )


class CheckoutOverError(ConflictError):
    """There is nothing to pay, or no time left."""

    def __init__(self) -> None:
        super().__init__("This purchase does not wait for a payment any more. Look at its state, or buy again.")


class NotRefundableError(ConflictError):
    """Only what is paid, and not disputed, can be given back."""

    def __init__(self) -> None:
        super().__init__("Only a purchase that is paid, and not disputed at the bank, can be refunded.")


class OwnRefundError(ForbiddenError):
    """Nobody gives themselves money back."""

    def __init__(self) -> None:
        super().__init__("This is your own purchase: somebody else has to refund it.")


class SoldExclusivelyError(ConflictError):
    """What one person has alone is offered to nobody else."""

    def __init__(self) -> None:
        super().__init__("This character was sold exclusively. It can't be offered again.")


class ExclusiveTooLateError(ConflictError):
    """What others have already cannot become exclusive."""

    def __init__(self) -> None:
        sentence = "Others have this character under an earlier licence, so it can't be exclusive any more."
        super().__init__(sentence)


class NotBoughtError(ConflictError):
    """A download needs a licence."""

    status = 402

    def __init__(self) -> None:
        super().__init__(
            "You have no licence for this character yet. Buy it first, or pay for the purchase that waits."
        )


class WithdrawnError(ConflictError):
    """The licence ended, or the version is gone."""

    status = 410

    def __init__(self) -> None:
        super().__init__("This is no longer available: the licence ended with a refund, or the version was withdrawn.")


class LinkExpiredError(ConflictError):
    """A link lives for ten minutes."""

    status = 410

    def __init__(self) -> None:
        super().__init__(
            "This download link has expired. Open your purchase and ask for a new one; that costs nothing."
        )


class LinkUsedError(ConflictError):
    """A link is followed once."""

    status = 410

    def __init__(self) -> None:
        super().__init__(
            "This download link was used already. Open your purchase and ask for a new one; that costs nothing."
        )


class NothingToPayError(ConflictError):
    """There is no balance that reaches the minimum, or none that the provider holds enough for."""

    def __init__(
        self, message: str = "Nobody's available balance reaches the minimum just now. No payout was made."
    ) -> None:
        super().__init__(message)


class PayoutOverError(ConflictError):
    """What is paid or ended stays so."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was changed: this payout is on its way, paid or over already. What failed or was called off is paid again with the next batch."
        )


class PeriodNotOverError(ConflictError):
    """A month is closed after its end."""

    def __init__(self) -> None:
        super().__init__("Only a month that is over, for at least an hour, can be closed.")


class StatementBrokenError(ConflictError):
    """What a statement's lines say is not what was closed."""

    def __init__(self) -> None:
        super().__init__(
            "This statement's lines do not give the hash that it was closed with. Staff were alarmed; no file was made."
        )
