"""The application, its browsers and signed requests, as the tests of the screens have them."""

from tests.admin_views.conftest import app, browser_of, client, post, sign_in

__all__ = ["app", "browser_of", "client", "post", "sign_in"]
