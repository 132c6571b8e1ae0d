"""Demo content: people who say that they are demo accounts, and characters brought in the way everyone brings them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import people
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, RoleName
from studio.authoring import card_imports, characters, replies
from studio.authoring.models import Character, ContentRating
from studio.cards import write_card
from studio.demo import portraits
from studio.kit.money import Money
from studio.market import listings, review, screening
from studio.market.models import CharacterCategory, LicenseType
from studio.providers.storage import Storage

PASSWORD = "greenroom-demo"  # noqa: S105 - printed on the sign-in page; such accounts work in demo mode only.

_CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One of the demo's accounts."""

    email: str
    name: str
    roles: tuple[RoleName, ...]


PEOPLE = (
    DemoPerson("creator@demo.example", "Mira Song", (RoleName.CREATOR,)),
    DemoPerson("creator2@demo.example", "阿澈", (RoleName.CREATOR,)),
    DemoPerson("moderator@demo.example", "Theo Brandt", (RoleName.MODERATOR,)),
    DemoPerson("staff@demo.example", "Ines Okafor", (RoleName.STAFF,)),
    DemoPerson("admin@demo.example", "Ada Lindqvist", (RoleName.ADMIN,)),
)


@dataclass(frozen=True, slots=True)
class DemoListing:
    """How one of the demo's characters stands in the market; no title: it is a draft."""

    slug: str
    owner: str
    title: str = ""
    category: str = ""
    price_minor: int = 0
    outcome: str = ""


LISTINGS = (
    DemoListing("lan-yue", "creator2@demo.example", "岚月 · 雪夜茶馆", "Fantasy", 0, "approved"),
    DemoListing(
        "odile-marchetti", "creator@demo.example", "Odile Marchetti: the Port Carrow case", "Mystery", 499, "approved"
    ),
    DemoListing("juniper-vale", "creator@demo.example", "Captain Juniper Vale", "Adventure and games", 0, "rejected"),
    DemoListing("sable-nine", "creator@demo.example", "Sable Nine", "Science fiction", 299, "approved"),
    DemoListing("sable-9", "creator2@demo.example", "Sable-9 (noir detective)", "Science fiction", 199),
    DemoListing("xiao-man", "creator2@demo.example", "小满的馄饨摊", "Everyday life", 0),
    DemoListing("mo-bai", "creator2@demo.example"),
    DemoListing("professor-tally", "creator@demo.example", "Professor Tally", "Helpers and teachers", 0),
)

_REPLIES = {
    "zh": ("*沉默了片刻，像在听远处的声音。*", "“让我想想，再说给你听。”", "“先喝口热的，我一会儿接着讲。”"),
    "en": ("*A pause, as if listening for something far off.*", '"Give me a moment. I want to say it right."', '"Hold that thought."'),
}  # fmt: skip

Progress = Callable[[int, int], None]


def load(
    session: Session, *, storage: Storage, now: datetime, on_progress: Progress = lambda _done, _all: None
) -> bool:
    """Make the demo's people, characters and listings; False where they are there already, and nothing is changed.

    Everything goes through the services that the screens use, so that the demo
    holds nothing that a person could not have made.
    """
    if session.scalar(sa.select(sa.exists().where(User.is_demo))):
        return False
    users: dict[str, User] = {}
    for person in PEOPLE:
        user = people.create(
            session,
            actor=SYSTEM,
            email=person.email,
            name=person.name,
            password=PASSWORD,
            roles=person.roles,
            is_demo=True,
        )
        users[person.email] = user
    session.flush()
    moderator = users["moderator@demo.example"]
    categories = {c.name: c for c in session.scalars(sa.select(CharacterCategory))}
    for place, listing in enumerate(LISTINGS, 1):
        moment = now - timedelta(hours=30 - 3 * place)
        owner = users[listing.owner]
        character = _bring(session, storage=storage, owner=owner, slug=listing.slug, now=moment)
        if listing.title:
            _list(session, storage, listing, character, owner, moderator, categories[listing.category], moment)
        on_progress(place, len(LISTINGS))
    return True


def card_file(slug: str, *, now: datetime) -> tuple[str, bytes]:
    """The name and bytes of one of the demo's cards as a V3 PNG with its portrait."""
    document: dict[str, Any] = json.loads((_CARDS / f"{slug}.json").read_text(encoding="utf-8"))
    picture = portraits.draw(document["data"]["name"])
    return f"{slug}.png", write_card(document, to="v3", as_="png", picture=picture, now=now).data


def _bring(session: Session, *, storage: Storage, owner: User, slug: str, now: datetime) -> Character:
    filename, data = card_file(slug, now=now)
    document = card_imports.preview(session, actor=owner.actor, storage=storage, data=data, filename=filename, now=now)
    character = card_imports.confirm(session, actor=owner.actor, document_id=document.id, now=now)
    chinese = any("\u4e00" <= sign <= "\u9fff" for sign in character.name)
    language = "zh" if chinese else "en"
    session.flush()
    characters.update(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        changes={"language": language, "content_rating": ContentRating.TEEN},
        now=now,
    )
    replies.replace(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        replies=[{"content": text, "weight": 1, "language": language} for text in _REPLIES[language]],
        now=now,
    )
    return character


def _list(
    session: Session,
    storage: Storage,
    listing: DemoListing,
    character: Character,
    owner: User,
    moderator: User,
    category: CharacterCategory,
    now: datetime,
) -> None:
    publication = listings.submit(
        session,
        actor=owner.actor,
        character_id=character.id,
        title=listing.title,
        description=character.creator_notes,
        tags=character.tags,
        category_id=category.id,
        price=Money(listing.price_minor, "USD"),
        license_type=LicenseType.PREMIUM if listing.price_minor else LicenseType.FREE,
        now=now,
    )
    session.flush()
    if not listing.outcome:
        return
    case = listings.open_case(session, publication_id=publication.id)
    screening.run(session, case_id=case.id, storage=storage, now=now + timedelta(minutes=1))
    later = now + timedelta(minutes=40)
    review.claim(session, actor=moderator.actor, case_id=case.id, now=later)
    if listing.outcome == "approved":
        review.approve(
            session, actor=moderator.actor, case_id=case.id, content_hash=publication.content_hash, now=later
        )
    else:
        reasons = [
            {"code": "thin_description", "field": "description", "comment": "Who are the crew? One line each would do."},
            {"code": "broken_greeting", "field": "first_mes", "comment": "The greeting gives {{user}} nothing to answer yet."},
        ]  # fmt: skip
        review.reject(
            session,
            actor=moderator.actor,
            case_id=case.id,
            content_hash=publication.content_hash,
            reasons=reasons,
            note="I like her. Two small things and she is ready.",
            now=later,
        )
