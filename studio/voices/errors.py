"""Why voices refuse."""

from studio.kit.errors import ConflictError, InvalidError, NotFoundError, StudioError
from studio.providers.errors import ProviderBrokenError


class NoVoiceError(ConflictError):
    """The character has no voice for the language of a text."""

    def __init__(self) -> None:
        super().__init__("This character has no voice yet. Choose one first, then have it speak.")


class NoProviderError(ConflictError):
    """No provider of voices is set up, so that nothing can be spoken; whoever runs the studio reads what to do."""

    def __init__(self, *, how: str = "") -> None:
        if how:
            super().__init__("No voice is set up in this studio yet. %(how)s", how=how)
        else:
            super().__init__("No voice is set up in this studio yet. Ask whoever runs it to set one up.")


class TooManyVoicesError(ConflictError):
    """A character has as many configurations as a page shows."""

    def __init__(self, *, most: int) -> None:
        super().__init__("A character has at most %(most)s voices. Delete one first.", most=most)


class SpokenMeanwhileError(ConflictError):
    """What failed was asked for anew, and stands there."""

    def __init__(self) -> None:
        super().__init__("The same words were asked for again in the meantime. Look for them in the history of speech.")


class NothingToSayError(InvalidError):
    """There is no text to speak."""

    def __init__(self) -> None:
        sentence = "There is nothing to speak. Write a few words first."
        super().__init__(sentence, fields={"text": sentence})


class LongTextError(InvalidError):
    """The text is longer than the provider speaks at once."""

    def __init__(self, *, most: int, unit: str) -> None:
        sentence = (
            "The text is longer than this voice speaks at once. Shorten it to %(most)s bytes (a Chinese sign takes three)."
            if unit == "bytes"
            else "The text is longer than this voice speaks at once. Shorten it to %(most)s characters."
        )
        super().__init__(sentence, most=most)


class SpeechSpentError(StudioError):
    """A person's characters of the day are used up."""

    status = 429

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "Your %(most)s characters of speech of today are used up. There are new ones tomorrow; the local voice costs "
            "nothing, and staff can change the limit.",
            most=f"{most:,}",
        )


class NoRoomForSpeechError(InvalidError):
    """The person keeps as much as they may, so that the audio would not fit."""

    def __init__(self, *, limit: object) -> None:
        super().__init__(
            "There is no room for this speech: you may keep %(limit)s MB of files, speech among them. Delete speech or "
            "files that you no longer need, then try again. Nothing was spoken, and nothing was spent.",
            limit=limit,
        )


class TooManyUnderWayError(StudioError):
    """A person has as much speech under way as they may."""

    status = 429

    def __init__(self) -> None:
        super().__init__("Some of your speech is still being made. Wait for it, then try again.")


class AudioExpiredError(NotFoundError):
    """A link to audio is past its time; its page makes a new one."""

    status = 410

    def __init__(self) -> None:
        super().__init__("This link to the audio is past its time. Load the page again: it has a new one.")


class UnusableAudioError(ProviderBrokenError):
    """What the provider sent is no audio that can be played to its end."""

    def __init__(self) -> None:
        super().__init__("The provider sent no whole audio: it is damaged or was cut off. Nothing was kept; try again.")


class SpeechFailedError(StudioError):
    """A job's speech did not come about; the reason stands beside it."""

    status = 502
