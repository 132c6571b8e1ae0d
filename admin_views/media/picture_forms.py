"""The form on which pictures are asked for."""

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired

from admin_views.formats import hue
from admin_views.forms import StudioForm
from studio.kit.errors import InvalidError
from studio.media.generations import Wanted
from studio.providers.images import ImageProvider

_SIZES = ((1024, 1024), (1024, 1536), (1536, 1024), (832, 1216), (768, 1152), (512, 768), (768, 512), (512, 512))
DIGITS = 19
"""As many as the largest seed has."""


class PictureForm(StudioForm):
    """What the picture should show; numbers stay as they were typed, so that what is wrong is said and shown again."""

    character = HiddenField()
    prompt = TextAreaField(_l("What the picture should show"), validators=[InputRequired()])
    negative_prompt = TextAreaField(_l("What to leave out"))
    size = SelectField(_l("Size"))
    count = SelectField(_l("How many"))
    steps = StringField(_l("Steps"), description=_l("More take longer; 20 to 30 are usual."))
    guidance = StringField(_l("Guidance"), description=_l("How closely the prompt is followed; about 7 is usual."))
    seed = StringField(_l("Seed"), description=_l("The same seed gives the same picture again. Empty: by chance."))

    def wanted(self, name: str) -> Wanted:
        """What was asked for; raises InvalidError for what is no number."""
        width, _cross, height = (self.size.data or "").partition("x")
        wrong: dict[str, str] = {}
        steps, guidance, seed = _whole(self.steps, wrong), _decimal(self.guidance, wrong), _whole(self.seed, wrong)
        if wrong:
            raise InvalidError("Something about this request needs another look.", fields=wrong)
        return Wanted(
            prompt=self.prompt.data or "",
            negative_prompt=self.negative_prompt.data or "",
            width=int(width),
            height=int(height),
            steps=steps,
            guidance=guidance,
            seed=seed,
            count=int(self.count.data or 1),
            name=name,
            hue=hue(name or self.prompt.data or ""),
        )


def sizes_of(provider: ImageProvider) -> list[tuple[str, str]]:
    """The sizes that are offered, as a select field takes them."""
    return [(f"{width}x{height}", f"{width} × {height}") for width, height in provider.sizes or _SIZES]


def _whole(field: Any, wrong: dict[str, str]) -> int | None:
    text = (field.data or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) > DIGITS:
        wrong[field.name] = "This number is too large."
        return None
    if not text.isascii() or not text.isdigit():
        wrong[field.name] = "A whole number that is not negative."
        return None
    return int(text)


def _decimal(field: Any, wrong: dict[str, str]) -> float | None:
    text = (field.data or "").strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text[:DIGITS])
    except ValueError:
        wrong[field.name] = "Write a number."
        return None
