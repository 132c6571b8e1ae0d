"""Who uses a character, in the reader's words."""

from collections.abc import Iterable

from flask_babel import gettext

from studio.operations.usage import MOST_COUNTED, Use


def told(uses: Iterable[Use]) -> list[str]:
    """A sentence for each use; beyond the most that is counted, that there are more."""
    return [
        str(gettext(use.sentence, count=f"{MOST_COUNTED}+" if use.count > MOST_COUNTED else use.count)) for use in uses
    ]
