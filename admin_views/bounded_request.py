"""Requests whose forms are bounded however they are encoded."""

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge


class BoundedRequest(Request):
    """A request that is refused (413) where its form has more fields than `MAX_FORM_PARTS`.

    Werkzeug counts the parts of multipart forms only; of a urlencoded form a few bytes make a field.
    """

    def _load_form_data(self) -> None:
        super()._load_form_data()
        most = self.max_form_parts
        if most is not None and sum(len(values) for _name, values in self.form.lists()) > most:
            raise RequestEntityTooLarge
