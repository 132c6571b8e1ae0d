"""Who oversees the market, and listings that wait and are live."""

from datetime import timedelta

import pytest

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.catalogue import cases
from studio.market.models import (
    CaseState,
    CharacterPublication,
    PublicationStatus,
)
from studio.market.review import claims
from tests.factories.accounts import make_actor, make_user
from tests.factories.market import (
    make_claimed_case,
    make_live_listing,
)

S = PublicationStatus


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_user(session, RoleName.MODERATOR)


@pytest.fixture
def other(session):
    return make_user(session, RoleName.MODERATOR)


@pytest.fixture
def case(session, owner, moderator):
    """A case in the moderator's hands, by the wall's clock: pages have no other."""
    return make_claimed_case(session, owner=owner.actor, moderator=moderator.actor, now=utc_now())


@pytest.fixture
def publication(session, case):
    return session.get_one(CharacterPublication, case.publication_id)


@pytest.fixture
def live(session, owner):
    reviewer = make_actor(session, RoleName.MODERATOR)
    return make_live_listing(session, owner=owner.actor, moderator=reviewer, now=utc_now() - timedelta(hours=1))


@pytest.fixture
def live_case(session, live, moderator):
    case = cases.open_case(session, live, actor=moderator.actor, now=utc_now())
    case.state = CaseState.WAITING
    session.flush()
    claims.claim(session, actor=moderator.actor, case_id=case.id, now=utc_now())
    return case


def reasons_of(publication, **more):
    return {
        "content_hash": publication.content_hash,
        "reason": ["thin_description", "broken_greeting"],
        "field": ["description", "first_mes"],
        "comment": ["Who is his rival?", ""],
        "note": "Nearly there",
        **more,
    }
