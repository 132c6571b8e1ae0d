"""Who uses a character, in the reader's words."""

from collections.abc import Iterable

from flask_babel import gettext, ngettext

from studio.operations.usage import MOST_COUNTED, Use


def told(uses: Iterable[Use]) -> list[str]:
    """A sentence for each use; beyond the most that is counted, that there are more."""
    return [
        str(gettext(use.sentence, count=f"{MOST_COUNTED}+" if use.count > MOST_COUNTED else use.count)) for use in uses
    ]


def told_files(count: int) -> list[str]:
    """A sentence about the files that it and its versions show; none where there are none."""
    if not count:
        return []
    return [
        str(
            ngettext(
                "%(num)s picture or card file: it goes too, unless something else shows it or you keep it in your library.",
                "%(num)s pictures and card files: they go too, but for what something else shows or you keep in your library.",
                count,
            )
        )
    ]
