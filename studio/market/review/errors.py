"""Why the review refuses: claims, decisions, notes, reports and appeals."""

from datetime import datetime

from studio.kit.errors import ConflictError, ForbiddenError, InvalidError


class OwnPublicationError(ForbiddenError):
    """Nobody decides on their own work."""

    def __init__(self) -> None:
        super().__init__("This is your own listing; somebody else has to review it.")


class OverturnedError(ForbiddenError):
    """Whom an appeal overturned does not judge the same listing again."""

    def __init__(self) -> None:
        super().__init__("An appeal overturned your decision on this listing; somebody else has to review it now.")


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


class TooLateError(ConflictError):
    """The effects have left."""

    def __init__(self) -> None:
        super().__init__("It is too late to undo this: the decision is in effect. Have the listing reviewed again.")


class DecisionMadeError(ConflictError):
    """A decision is held back for a few seconds, or waits for a second person."""

    def __init__(self) -> None:
        super().__init__("A decision on this listing was just made. Wait until it is in effect, or undo it first.")


class DecideInsteadError(ConflictError):
    """What a severe decision is in the way of is approved or taken down, and not merely put back."""

    def __init__(self) -> None:
        super().__init__(
            "A version of this character was taken down for a severe reason, so this one cannot simply be put back. Claim the "
            "review and decide: keep it, or take it down."
        )


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


class NothingConfirmedError(ConflictError):
    """What was taken back already is not taken back again."""

    def __init__(self) -> None:
        super().__init__("You have confirmed nothing here. The takedown waits for a second person.")


class NothingToSayError(InvalidError):
    """What is done to somebody's listing is explained."""

    def __init__(self) -> None:
        sentence = "Say why in a sentence; other moderators read it."
        super().__init__(sentence, fields={"reason": sentence})


class NoteInvalidError(InvalidError):
    """A note that says nothing, or too much."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"text": sentence})


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

    sentence = "You made this decision; somebody who took no part in it answers the appeal."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class AppealConfirmedDecisionError(AppealOwnDecisionError):
    """Nor what they confirmed."""

    sentence = "You confirmed this takedown as the second person; somebody who took no part in it answers the appeal."


class AppealOwnListingError(AppealOwnDecisionError):
    """Nor their own work."""

    sentence = "This is your own listing; somebody else answers the appeal."


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


class ReasonWrongError(InvalidError):
    """Something of a reason is missing or too long."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("The reason is not complete yet; see the fields.", fields=fields)


class ReasonGivenError(ConflictError):
    """What stands in a decision stays."""

    def __init__(self) -> None:
        super().__init__(
            "This reason stands in decisions, which creators can read. Take it out of use instead of deleting it."
        )
