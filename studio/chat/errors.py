"""Why a chat refuses."""

from studio.kit.errors import ConflictError, InvalidError, StudioError
from studio.providers.errors import ProviderTooLargeError


class BusyError(StudioError):
    """As many answers are being written as there is room for, or as one person may have written at once."""

    status = 429

    def __init__(self) -> None:
        super().__init__("Other answers are being written just now. Wait for one of them, or stop it; then try again.")


class TooOftenError(StudioError):
    """A person asks more often than anybody can read."""

    status = 429

    def __init__(self, *, most: int) -> None:
        super().__init__("That was %(most)s requests in a minute. Wait a little, then try again.", most=most)


class BudgetSpentError(StudioError):
    """A person's tokens of the day are used up."""

    status = 429

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "Your %(most)s tokens of today are used up. There are new ones tomorrow; staff can change the limit.",
            most=f"{most:,}",
        )


class AnswerUnderWayError(ConflictError):
    """The chat cannot change while its answer is being written."""

    def __init__(self) -> None:
        super().__init__("The character is still answering. Stop it first.")


class NotTheLastError(ConflictError):
    """Only the last answer of a chat can be written anew."""

    def __init__(self) -> None:
        super().__init__("Only the last answer can be written anew. Delete what follows first.")


class ChatIsFullError(ConflictError):
    """A test chat has as many messages as it may."""

    def __init__(self, *, most: int) -> None:
        super().__init__("This chat has %(most)s messages. Start a new one.", most=most)


class EmptyMessageError(InvalidError):
    """There is nothing to say."""

    def __init__(self) -> None:
        super().__init__("Write something first.", fields={"text": "Write something first."})


class LongMessageError(InvalidError):
    """A message is longer than anybody reads."""

    def __init__(self, *, most: int) -> None:
        sentence = "A message has at most 20,000 characters. Shorten it."
        super().__init__(sentence, fields={"text": sentence})
        self.most = most


class TooManyPromptsError(ConflictError):
    """A character has as many saved test prompts as a run can take."""

    def __init__(self, *, most: int) -> None:
        super().__init__("A character has at most %(most)s test prompts. Delete one first.", most=most)


class NoPromptsError(ConflictError):
    """There is nothing to run."""

    def __init__(self) -> None:
        super().__init__("Save a test prompt first; a run answers all of them on both sides.")


class SameSidesError(ConflictError):
    """A run compares two different things."""

    def __init__(self) -> None:
        super().__init__("Choose two different sides to compare.")


class DoesNotFitError(ProviderTooLargeError):
    """What must always be sent is more than the model's window holds; nothing was sent."""

    status = 422

    def __init__(self, *, tokens: int, window: int) -> None:
        super().__init__(
            "The character's permanent texts and the last message take %(tokens)s tokens, and the window leaves "
            "%(window)s for them. Shorten the character, or choose a larger window.",
            what="text",
            tokens=tokens,
            window=window,
        )


class NoFieldTextError(InvalidError):
    """There is no text to work on."""

    def __init__(self) -> None:
        super().__init__("There is no text in this field yet. Write something, or ask for a suggestion.")


class UnknownFieldError(InvalidError):
    """Help is given with the card's texts only."""

    def __init__(self) -> None:
        super().__init__("There is no help for this field.")


class NotToBeSpokenError(ConflictError):
    """Only what the character has said is spoken by its voice."""

    def __init__(self) -> None:
        super().__init__("Only a character's finished answers can be spoken.")


class NotToBeDrawnError(ConflictError):
    """The message is still being written."""

    def __init__(self) -> None:
        super().__init__("The answer is still being written. Ask for its picture when it is done.")


class TooManyAttachmentsError(ConflictError):
    """A message carries as much as it may."""

    def __init__(self, *, most: int) -> None:
        super().__init__("A message carries at most %(most)s files. Take one away first.", most=most)
