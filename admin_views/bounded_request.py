"""Requests whose forms are bounded however they are encoded, and whose texts PostgreSQL can keep."""

from flask import Request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property


class BoundedRequest(Request):
    """A request that is refused (413) where its form has more fields than `MAX_FORM_PARTS`, and that has no NUL in its texts.

    Werkzeug counts the parts of multipart forms only; of a urlencoded form a few bytes make a field. Nobody types a NUL,
    and PostgreSQL keeps none: what somebody forged into an address or a form is left out before anything reads it.
    """

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """What the address says behind its question mark."""
        return _without_nul(super().args)

    def _load_form_data(self) -> None:
        super()._load_form_data()
        self.__dict__["form"] = _without_nul(self.form)
        most = self.max_form_parts
        if most is not None and sum(len(values) for _name, values in self.form.lists()) > most:
            raise RequestEntityTooLarge


def _without_nul(values: MultiDict[str, str]) -> MultiDict[str, str]:
    pairs = list(values.items(multi=True))
    if not any("\0" in value for _name, value in pairs):
        return values
    return ImmutableMultiDict((name, value.replace("\0", "")) for name, value in pairs)
