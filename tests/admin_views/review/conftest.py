"""Who works at the desk, and a case that means no good."""

import pytest

from studio.accounts.permissions import RoleName
from studio.market.models import (
    CharacterPublication,
)
from studio.market.screening import screening
from tests.factories.accounts import make_user
from tests.factories.market import (
    case_of,
    make_card,
    make_listing,
)
from tests.factories.media import make_storage

EVIL = "Meet <script>alert(1)</script> {{char}} at https://evil.example/x ![p](https://track.example/p.png)"


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_user(session, RoleName.MODERATOR)


@pytest.fixture
def other(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def case(session, owner, now, tmp_path):
    """A screened case of a card that means no good."""
    character = make_card(session, owner=owner.actor, now=now, name="Eve", description=EVIL)
    made = case_of(session, make_listing(session, owner=owner.actor, now=now, character=character))
    screening.run(session, case_id=made.id, storage=make_storage(tmp_path), now=now)
    session.flush()
    return made


@pytest.fixture
def publication(session, case):
    return session.get_one(CharacterPublication, case.publication_id)


@pytest.fixture
def browser(browser_of, moderator, case):
    return browser_of(moderator)


def claim(browser, post, case):
    assert post(browser, f"/review/{case.id}/claim").status_code == 303
