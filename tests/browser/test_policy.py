"""What a card says is text: nothing in it runs, and nothing in it is fetched."""

from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from studio.kit.clock import utc_now
from tests.browser.house import DEMO, ROLES, main_pages
from tests.factories.authoring import card_file
from tests.factories.market import make_waiting_case

MARK = "window.__hacked=1"
EVIL = (
    f"<script>{MARK}</script><img src=x onerror={MARK}><img src='http://evil.example/pixel.png'>"
    f"<svg onload={MARK}></svg><iframe srcdoc='<script>parent.{MARK}</script>'></iframe>"
    f"<style>@import url(http://evil.example/style.css);</style><link rel=stylesheet href=http://evil.example/a.css>"
    f"![pixel](http://evil.example/b.png) [x](javascript:{MARK}) <a href='javascript:{MARK}'>press</a>"
    f"<div hx-get='/people/' hx-trigger='load' hx-on:click='{MARK}' style='position:fixed;inset:0'>over</div>"
    '"><script>' + MARK + "</script> </textarea></title><script>" + MARK + "</script> {{7*7}} {% raw %} ${7*7}"
)


class Handlers(HTMLParser):
    """The attributes of a page that the policy would refuse; what a row is called may look like one."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name) for name, _ in attrs if name == "style" or name.startswith("on")]


class TestContentSecurityPolicy:
    @pytest.mark.parametrize("role", ROLES)
    def test_is_strict_on_every_main_page(self, visit, stage, role):
        visitor = visit(DEMO[role])
        for path in main_pages(stage, role):
            answer = visitor.context.request.get(path)
            policy = dict(
                part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";")
            )
            assert answer.ok, path
            assert policy["default-src"] == "'self'"
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
            assert policy["require-trusted-types-for"] == "'script'"
            assert answer.headers["x-content-type-options"] == "nosniff"
            text = answer.text()
            assert "<style" not in text
            assert "<script>" not in text
            assert not Handlers(text).found


class TestHostileCard:
    def test_neither_runs_nor_loads_anything(self, visit, stage, creator, moderator):
        texts = dict.fromkeys(
            ("description", "personality", "scenario", "first_mes", "mes_example", "creator_notes", "system_prompt"),
            EVIL,
        )
        file = card_file(
            name=f"<img src=x onerror={MARK}>",
            **texts,
            alternate_greetings=[EVIL],
            tags=[f"<b onclick={MARK}>tag"],
            character_book={
                "name": EVIL[:80],
                "entries": [
                    {"keys": ["<i>k"], "content": EVIL, "enabled": True, "insertion_order": 1, "extensions": {}}
                ],
            },
        )
        writer = visit(creator)
        page = writer.go("/imports/")
        writer.drop("label[data-drop]", [("<img src=x onerror=alert(1)>.png", file)])
        writer.press("Read the card")
        page.wait_for_url("**/imports/*-*")
        report = page.url
        writer.press("Make the character")
        page.wait_for_url("**/characters/**")
        draft = page.url
        character_id = draft.rpartition("/")[2]
        with stage.session() as session:
            owner = session.get_one(User, creator.id).actor
            character = session.get_one(Character, character_id)
            case = make_waiting_case(
                session, owner=owner, now=utc_now(), character=character, title=EVIL[:70], description=EVIL
            )
            case_id, publication_id = case.id, case.publication_id
        addresses = [
            "/",
            "/characters/",
            "/characters/?layout=table",
            report,
            draft,
            f"{draft}/edit",
            f"/lorebooks/{character_id}",
        ]
        addresses += [
            f"/listings/{publication_id}",
            "/listings/",
            f"/listings/new?character_id={character_id}",
            "/search/?q=onerror&mode=words",
        ]
        for address in addresses:
            self.look(writer, address)
        page.goto("/characters/")
        page.keyboard.press("Control+k")
        page.keyboard.type("onerror")
        expect(page.locator("#palette-found a").first).to_contain_text("onerror")
        assert page.evaluate("window.__hacked") is None
        reader = visit(moderator)
        for address in ("/", "/review/", f"/review/{case_id}"):
            self.look(reader, address)
        clerk = visit(stage.person(RoleName.STAFF))
        for address in ("/jobs/", "/audit/", "/listings/"):
            self.look(clerk, address)

    def look(self, visitor, address):
        """The page shows the text; the window's own complaints (the `visit` fixture) tell of any request outside."""
        page = visitor.go(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.__hacked") is None, address
        assert (
            page.locator(
                "main iframe, main script, main style, main [onerror], main [onload], main [hx-on\\:click]"
            ).count()
            == 0
        )
        assert page.locator("main a[href^='javascript']").count() == 0
        # What looks like a template's expression is text too.
        assert "</script> 49" not in page.locator("main").inner_text()
