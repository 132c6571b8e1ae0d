"""Demo content: people who say that they are demo accounts, and characters brought in the way everyone brings them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import demo_accounts
from studio.accounts.models import User
from studio.authoring import card_imports, characters
from studio.authoring.models import Character, ContentRating
from studio.authoring.rules import ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.cards.writer import write_card
from studio.demo import night_crossing, portraits, trade
from studio.kit.money import Money
from studio.market.catalogue import cases, submission
from studio.market.models import CharacterCategory, CharacterPublication, LicenseType
from studio.market.money.policy import Policy
from studio.market.review import claims, decisions
from studio.market.review.rules import AT_ONCE, Reason
from studio.market.screening import screening
from studio.providers.storage import Storage

_CARDS = Path(__file__).parent / "cards"


_FIRST, _SECOND = "creator@demo.example", "second@demo.example"
_MODERATOR, _STAFF = "moderator@demo.example", "staff@demo.example"


@dataclass(frozen=True, slots=True)
class DemoListing:
    """How one of the demo's characters stands in the market; no title: it is a draft."""

    slug: str
    owner: str
    title: str = ""
    category: str = ""
    price_minor: int = 0
    outcome: str = ""
    days_ago: int = 0


LISTINGS = (
    DemoListing("lan-yue", _SECOND, "岚月 · 雪夜茶馆", "Fantasy", 0, "approved", days_ago=20),
    DemoListing(
        "odile-marchetti", _FIRST, "Odile Marchetti: the Port Carrow case", "Mystery", 1_299, "approved", days_ago=60
    ),
    DemoListing("juniper-vale", _FIRST, "Captain Juniper Vale", "Adventure and games", 0, "sent back"),
    DemoListing("sable-nine", _FIRST, "Sable Nine", "Science fiction", 299, "approved", days_ago=55),
    DemoListing("sable-9", _SECOND, "Sable-9 (noir detective)", "Science fiction", 199),
    DemoListing("xiao-man", _SECOND, "小满的馄饨摊", "Everyday life", 0),
    DemoListing("mo-bai", _SECOND, "墨白 · 藏书楼", "Helpers and teachers", 0, "rejected"),
    DemoListing("professor-tally", _FIRST, "Professor Tally", "Helpers and teachers", 0),
)

_TAGLINES = {
    "lan-yue": "茶还热着，话可以慢慢说",
    "odile-marchetti": "She listens to what liars leave out",
    "sable-nine": "Half her memory is leased; the case is hers",
    "sable-9": "A detective who rents the year she was happy",
    "xiao-man": "凌晨三点的馄饨，总给你多放一只",
    "mo-bai": "替我把第一句写回来",
    "professor-tally": "Numbers, taught with bread, rope and tides",
}
"""All but one who still needs hers, so that a creator's first page has something to say."""

_REPLIES = {
    "zh": ("*沉默了片刻，像在听远处的声音。*", "“让我想想，再说给你听。”", "“先喝口热的，我一会儿接着讲。”"),
    "en": ("*A pause, as if listening for something far off.*", '"Give me a moment. I want to say it right."', '"Hold that thought."'),
}  # fmt: skip

_SCENES = {
    "odile-marchetti": (
        SceneDraft(
            "The ticket that lies",
            "strangers",
            0,
            "Odile asks only about small things. She never says what she suspects.",
            0,
        ),
        SceneDraft(
            "Tea at the station",
            "acquaintances",
            25,
            "She lets the kettle boil dry once. She begins to compare what people say with the tide tables.",
            10,
        ),
        SceneDraft(
            "The cut page", "partners", 60, "She shows {{user}} the ledger and says 'we' for the first time.", 45
        ),
        SceneDraft(
            "02:10 on the stairs",
            "trust",
            100,
            "She tells the truth about the case in the capital, and asks {{user}} to climb first.",
            85,
        ),
    ),
    "lan-yue": (
        SceneDraft("雪夜初见", "陌路", 0, "岚月不问来处，只斟茶，只听。", 0),
        SceneDraft("第二杯茶", "相识", 30, "她把第二杯茶推到 {{user}} 面前，开始用“我们山里”说话。", 15),
        SceneDraft("拆一只纸鹤", "知己", 70, "她允许 {{user}} 拆开一只属于自己的纸鹤，并说起师父。", 50),
        SceneDraft("红绳", "约定", 100, "她解下红绳的一股，系在 {{user}} 手上，说出自己的名字。", 90),
    ),
}
"""The stages of those characters that have a way to go with a person."""

_TWO_THINGS = (
    Reason("thin_description", "description", "Who are the crew? One line each would do."),
    Reason("broken_greeting", "first_mes", "The greeting gives {{user}} nothing to answer yet."),
)
_SHELF = Reason("wrong_category", "listing.category", "他是奇幻故事里的角色，不是老师。")

Progress = Callable[[int, int], None]


def load(
    session: Session,
    *,
    storage: Storage,
    now: datetime,
    policy: Policy | None = None,
    has_traded: bool = True,
    on_progress: Progress = lambda _done, _all: None,
) -> bool:
    """Make the demo's people, characters and listings; False where they are there already, and nothing is changed.

    Everything goes through the services that the screens use, so that the demo
    holds nothing that a person could not have made. Where `has_traded`, there are
    sales too, and the last month is closed.
    """
    users = {user.email: user for user in demo_accounts.ensure(session)}
    owned = sa.select(Character.id).where(Character.owner_id.in_([user.id for user in users.values()]))
    if session.scalar(sa.select(owned.exists())):
        return False
    session.flush()
    moderator = users[_MODERATOR]
    categories = {c.name: c for c in session.scalars(sa.select(CharacterCategory))}
    night_crossing.load(session, storage=storage, staff=users[_STAFF], now=now - timedelta(hours=31))
    made: dict[str, CharacterPublication] = {}
    for place, listing in enumerate(LISTINGS, 1):
        moment = now - timedelta(days=listing.days_ago, hours=30 - 3 * place)
        owner = users[listing.owner]
        character = _bring(session, storage=storage, owner=owner, slug=listing.slug, now=moment)
        if listing.title:
            category = categories[listing.category]
            made[listing.slug] = _list(session, storage, listing, character, owner, moderator, category, moment)
        on_progress(place, len(LISTINGS))
    if has_traded:
        trade.load(session, users=users, listings=made, now=now, policy=policy or Policy())
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
    return characters.update(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        changes={"language": language, "content_rating": ContentRating.TEEN, "tagline": _TAGLINES.get(slug, "")},
        replies=[ReplyDraft(content=text, language=language) for text in _REPLIES[language]],
        scenes=_SCENES.get(slug, ()),
        now=now,
    )


def _list(
    session: Session,
    storage: Storage,
    listing: DemoListing,
    character: Character,
    owner: User,
    moderator: User,
    category: CharacterCategory,
    now: datetime,
) -> CharacterPublication:
    publication = submission.submit(
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
        return publication
    case = cases.find_open_case(session, publication_id=publication.id)
    if case is None:
        raise LookupError("A listing that was just submitted is under review.")
    screening.run(session, case_id=case.id, storage=storage, now=now + timedelta(minutes=1))
    later = now + timedelta(minutes=40)
    claims.claim(session, actor=moderator.actor, case_id=case.id, now=later)
    seen: dict[str, Any] = {
        "actor": moderator.actor,
        "case_id": case.id,
        "content_hash": publication.content_hash,
        "now": later,
        "hold": AT_ONCE,
    }
    if listing.outcome == "approved":
        decisions.approve(session, **seen)
    elif listing.outcome == "rejected":
        decisions.reject(session, **seen, reasons=[_SHELF])
    else:
        decisions.request_changes(
            session, **seen, reasons=_TWO_THINGS, note="I like her. Two small things and she is ready."
        )
    return publication
