"""What a request's texts are before anything reads them."""

import pytest
from werkzeug.test import EnvironBuilder

from admin_views.bounded_request import BoundedRequest


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_nul_reaches_nobody_by_address_or_form(kind):
    sent = EnvironBuilder(
        method="POST", query_string="q=%00a%00&q=b", data={"key": "\0", "name": "x\0y", "plain": "z"}, content_type=kind
    )
    request = BoundedRequest(sent.get_environ())
    assert request.args.getlist("q") == ["a", "b"]
    assert request.form.to_dict() == {"key": "", "name": "xy", "plain": "z"}
    assert request.values.getlist("name") == ["xy"]
