"""The main pages of the studio, by who opens them, with the demo's rows in them."""

from collections.abc import Iterator

import sqlalchemy as sa

from studio.accounts import demo_accounts
from studio.accounts.models import AuditEntry, User
from studio.authoring.models import CardDocument, Character, Story
from studio.market.models import CharacterPublication, ReviewCase
from studio.work.models import JobRun
from tests.browser.stage import Person, Stage

DEMO = {
    role: Person("", account.name, account.email, demo_accounts.PASSWORD)
    for account in reversed(demo_accounts.ACCOUNTS)
    for role in account.roles
}
"""The demo's people by role; of the two creators the first."""

ROLES = ("creator", "moderator", "staff", "admin")


def main_pages(stage: Stage, role: str) -> list[str]:
    """The addresses that a person of the role works with, each once, full where the demo has something to show."""
    with stage.session() as session:
        return ["/", *dict.fromkeys(_pages(session, role))]


def _pages(session, role: str) -> Iterator[str]:
    # Other tests make rows that look alike; the demo's own are asked for by their owner.
    mei = session.scalar(sa.select(User.id).where(User.email == DEMO["creator"].email))
    owned = sa.select(Character.id).where(Character.owner_id == mei)
    character = session.scalar(owned.where(Character.name.contains("Juniper")))
    listed = sa.select(CharacterPublication.id)
    rejected = session.scalar(listed.where(CharacterPublication.character_id == character))
    waiting = session.scalar(listed.where(CharacterPublication.title == "Sable-9 (noir detective)"))
    case = session.scalar(sa.select(ReviewCase.id).where(ReviewCase.publication_id == waiting))
    if role == "creator":
        document = session.scalar(sa.select(CardDocument.id).where(CardDocument.character_id == character))
        yield from ("/characters/", "/characters/?layout=table", "/characters/new", f"/characters/{character}")
        yield from (
            f"/characters/{character}/edit",
            f"/characters/{character}/export",
            f"/lorebooks/{character}",
            f"/lorebooks/{character}/test",
            f"/lorebooks/{character}/settings",
            f"/lorebooks/{character}/import",
            f"/lorebooks/{character}/entries/new",
        )
        yield from ("/imports/", f"/imports/{document}", "/listings/", f"/listings/{rejected}")
        yield from ("/earnings/", "/statements/", "/payouts/", "/shop/")
        yield from (f"/listings/new?character_id={character}", "/search/", "/search/?q=茶馆&mode=both")
        yield from (f"/search/similar/{character}", "/jobs/", "/account/")
        yield from ("/test-chat/", f"/test-chat/{character}", "/assist/")
        yield from (f"/voices/{character}", f"/voices/{character}/new", "/speech/")
        yield from (f"/characters/{character}/versions", f"/characters/{character}/versions/1")
        yield f"/characters/{character}/versions/compare?from=1&to=draft"
    elif role == "moderator":
        other = session.scalar(owned.where(Character.name.contains("Odile")))
        yield from ("/review/", f"/review/{case}", f"/review/{case}/compare/{other}", "/listings/")
        yield from ("/review-figures/", "/screening-checks/", "/reports/", "/appeals/")
    elif role == "staff":
        job = session.scalar(sa.select(JobRun.id).order_by(JobRun.id).limit(1))
        story = session.scalar(sa.select(Story.id).where(Story.code == "B001"))
        official = session.scalar(sa.select(Character.id).where(Character.code == "B001C001"))
        yield from ("/stories/", "/stories/new", f"/stories/{story}", f"/stories/{story}/delete")
        yield from (f"/characters/{official}", f"/characters/{official}/edit")
        yield from ("/money/", "/sales/", "/payouts/")
        yield from ("/jobs/", f"/jobs/{job}", "/errors/", "/health/", "/categories/", "/categories/new", "/audit/")
    elif role == "admin":
        person = session.scalar(sa.select(User.id).where(User.email == "second@demo.example"))
        entry = session.scalar(sa.select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1))
        yield from ("/people/", f"/people/{person}", "/people/new", "/audit/", f"/audit/{entry}")
