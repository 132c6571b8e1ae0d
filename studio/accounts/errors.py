"""Why the studio refuses something about people and their accounts."""

from studio.kit.errors import ConflictError, ForbiddenError, InvalidError, StaleError


class BadEmailError(InvalidError):
    """What was typed is no e-mail address."""

    def __init__(self) -> None:
        sentence = "Write a complete e-mail address, like name@example.com."
        super().__init__(sentence, fields={"email": sentence})


class EmailTakenError(InvalidError):
    """Another account has this address, in whatever spelling."""

    def __init__(self) -> None:
        sentence = "There is an account with this e-mail address already."
        super().__init__(sentence, fields={"email": sentence})


class BadNameError(InvalidError):
    """A name is empty or too long."""

    def __init__(self) -> None:
        sentence = "Write a name of 1 to 80 characters."
        super().__init__(sentence, fields={"name": sentence})


class WeakPasswordError(InvalidError):
    """A new password breaks a rule; the sentence says which."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"password": sentence})


class WrongPasswordError(InvalidError):
    """The present password, asked for as proof, is another one."""

    def __init__(self) -> None:
        sentence = "This is not your present password."
        super().__init__(sentence, fields={"current_password": sentence})


class MissingReasonError(InvalidError):
    """A suspension must say why."""

    def __init__(self) -> None:
        sentence = "Say why, in up to 500 characters; the audit log keeps it."
        super().__init__(sentence, fields={"reason": sentence})


class UnknownChoiceError(InvalidError):
    """A language, time zone or theme that the studio does not have."""

    def __init__(self, field: str) -> None:
        sentence = "Choose one of the offered values."
        super().__init__(sentence, fields={field: sentence})


class OwnAccountError(ForbiddenError):
    """Nobody changes their own roles or suspends themselves."""

    def __init__(self) -> None:
        super().__init__("You cannot do this to your own account. Ask another admin.")


class LastAdminError(ConflictError):
    """Without an admin nobody could manage people any more."""

    def __init__(self) -> None:
        super().__init__("This is the last active admin. Make somebody else an admin first.")


class AlreadySuspendedError(ConflictError):
    """The person is suspended already."""

    def __init__(self) -> None:
        super().__init__("This person is suspended already.")


class NotSuspendedError(ConflictError):
    """The person is active."""

    def __init__(self) -> None:
        super().__init__("This person is not suspended.")


class ClosedAccountError(ConflictError):
    """Nothing can be done about an account that is gone."""

    def __init__(self) -> None:
        super().__init__("This account is closed. What is left of it only says that there was one.")


class DemoAccountError(ConflictError):
    """Everybody uses the demo's people."""

    def __init__(self) -> None:
        super().__init__("This is an account of the demo, which others use as well. It cannot be closed.")


class StalePersonError(StaleError):
    """Someone changed the person since the page was opened."""


class BadPasswordLinkError(InvalidError):
    """A link for a new password is made up, used, or too old."""

    status = 404

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. Ask an admin for a new one.")


class WrongCodeError(InvalidError):
    """A one-time code is wrong, too old, or was used before."""

    def __init__(self) -> None:
        sentence = "This code is not right, or was used already. Wait for the next one and try again."
        super().__init__(sentence, fields={"code": sentence})


class NoSecondFactorError(ConflictError):
    """Recovery codes go with an authenticator."""

    def __init__(self) -> None:
        super().__init__("Set up an authenticator app first.")
