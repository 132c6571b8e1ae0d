"""The application around the views: one transaction, outages, errors, headers, switches, probes."""

import re
import stat
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from flask import abort
from pydantic import SecretStr

from admin_views.access import is_public, route_permission
from admin_views.preferences import local_target
from studio import work
from studio.accounts.models import Theme, User
from studio.accounts.permissions import RoleName
from studio.app import create_app, is_connection_loss, never_connected, secret_key
from studio.kit.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from studio.market.models import CharacterCategory as Category
from studio.work.models import JobRun
from tests.admin_views.conftest import signed_in, token_of
from tests.factories.accounts import make_user

HTML = {"Accept": "text/html"}


def lost(*, connecting: bool = False) -> sa.exc.OperationalError:
    """What SQLAlchemy raises for a connection that is lost, or that could not be made."""
    return sa.exc.OperationalError(
        None if connecting else "SELECT 1",
        None,
        psycopg.OperationalError("gone"),
        connection_invalidated=not connecting,
    )


@pytest.fixture
def route(app):
    """Add a route to the application before its first request."""

    def add(view, *, methods=("GET",), url="/tried"):
        app.add_url_rule(url, "tried", view, methods=list(methods))
        return url

    return add


@pytest.fixture
def impatient(app):
    app.pauses = (0.0, 0.0, 0.0)
    return app


class TestTransaction:
    def test_commits_what_a_request_did_and_asks_its_jobs(self, app, client, session, route):
        nudged = []
        work.set_nudge(nudged.append)

        def view():
            app.db.session.add(Category(name="kept"))
            work.ask(app.db.session(), "tests.effect")
            return "done"

        assert client.get(route(view)).status_code == 200
        assert session.scalar(sa.select(sa.func.count()).where(Category.name == "kept")) == 1
        assert len(nudged) == 1

    @pytest.mark.parametrize("refusal", ["raise", "answer", "abort", "break"])
    def test_undoes_everything_where_the_answer_is_a_refusal(self, app, client, session, route, refusal):
        nudged = []
        work.set_nudge(nudged.append)

        def view():
            app.db.session.add(Category(name="undone"))
            work.ask(app.db.session(), "tests.effect")
            if refusal == "raise":
                raise ConflictError("Not now.")
            if refusal == "abort":
                abort(403)
            if refusal == "break":
                raise ZeroDivisionError
            return "no", 422

        assert client.get(route(view)).status_code >= 400
        assert session.scalar(sa.select(sa.func.count()).where(Category.name == "undone")) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(JobRun)) == 0
        assert nudged == []


class TestOutage:
    """`pool_pre_ping` alone lets dozens of people see an error through a restart of PostgreSQL."""

    def test_a_read_is_tried_again_until_the_database_is_back(self, impatient, client, route):
        tries = []

        def view():
            tries.append(1)
            if len(tries) < 3:
                raise lost()
            return "back"

        assert client.get(route(view)).text == "back"
        assert len(tries) == 3

    def test_a_write_that_may_have_been_sent_is_not_repeated(self, impatient, client, route, post):
        tries = []

        def view():
            tries.append(1)
            raise lost()

        answer = post(client, route(view, methods=["POST"]), headers=HTML)
        assert answer.status_code == 503
        assert "does not answer just now" in answer.text
        assert len(tries) == 1

    def test_a_write_that_could_not_even_connect_is_tried_again_with_its_file(self, impatient, client, route):
        from flask import request

        seen = []

        def view():
            seen.append(request.files["card"].read())
            if len(seen) < 2:
                raise lost(connecting=True)
            return "saved"

        url = route(view, methods=["POST"])
        data = {"csrf_token": token_of(client), "card": (BytesIO(b"bytes of a card"), "card.png")}
        assert client.post(url, data=data).text == "saved"
        assert seen == [b"bytes of a card"] * 2

    def test_says_so_in_the_end(self, impatient, client, route):
        def view():
            raise lost()

        answer = client.get(route(view), headers=HTML)
        assert answer.status_code == 503
        assert "Nothing was lost" in answer.text

    @pytest.mark.parametrize(
        ("state", "is_loss"), [("57P01", True), ("08006", True), (None, True), ("57014", False), ("40001", False)]
    )
    def test_tells_an_outage_from_a_slow_statement(self, state, is_loss):
        class Failure(psycopg.OperationalError):
            sqlstate = state

        assert is_connection_loss(sa.exc.OperationalError("SELECT 1", None, Failure())) is is_loss

    def test_a_real_connection_that_is_cut_is_seen_by_nobody(self, settings, committed_database, session):
        own = settings.model_copy(update={"database_url": SecretStr(committed_database.url)})
        app = create_app(own)
        app.pauses = (0.0, 0.05, 0.1)
        cut = []

        def view():
            if not cut:
                cut.append(app.db.session.scalar(sa.text("SELECT pg_backend_pid()")))
                with committed_database.engine.begin() as other:
                    other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": cut[0]})
            return str(app.db.session.scalar(sa.text("SELECT 42")))

        app.add_url_rule("/tried", "tried", view)
        try:
            assert app.test_client().get("/tried").text == "42"
        finally:
            work.set_nudge(None)
            with app.app_context():
                app.db.engine.dispose()
            app.extensions["studio"].redis.close()

    def test_a_database_that_is_away_is_told_in_words(self, settings, browser_of, session):
        nowhere = settings.model_copy(
            update={"database_url": SecretStr("postgresql+psycopg://nobody@127.0.0.1:9/none")}
        )
        user = make_user(session, RoleName.STAFF)
        app = create_app(nowhere)
        app.pauses = (0.0,)
        browser = signed_in(app.test_client(), user)
        try:
            for url in ("/", "/characters/", "/sign-in"):
                answer = browser.get(url, headers=HTML)
                assert answer.status_code == 503
                assert "Nothing was lost" in answer.text
            assert browser.get("/healthz").status_code == 200
            answer = browser.get("/readyz")
            assert answer.status_code == 503
            assert answer.json["database"]["ok"] is False
        finally:
            work.set_nudge(None)
            app.extensions["studio"].redis.close()

    def test_connecting_is_told_from_sending(self):
        assert never_connected(lost(connecting=True))
        assert not never_connected(lost())


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (NotFoundError(), 404),
            (InvalidError("No."), 422),
            (ConflictError("No."), 409),
            (UnavailableError("No."), 503),
        ],
    )
    def test_a_refusal_has_its_status_and_sentence(self, client, route, error, status):
        def view():
            raise error

        answer = client.get(route(view), headers=HTML)
        assert answer.status_code == status
        assert str(error) in answer.text

    def test_fills_in_what_varies(self, client, route):
        def view():
            raise InvalidError("At most %(most)d words, and %(name)s.", most=5, name="<b>")

        assert "At most 5 words, and &lt;b&gt;." in client.get(route(view), headers=HTML).text

    def test_a_part_of_a_page_gets_a_toast(self, client, route):
        def view():
            raise ConflictError("Somebody was quicker.")

        answer = client.get(route(view), headers={"HX-Request": "true", **HTML})
        assert answer.status_code == 409
        assert answer.headers["HX-Retarget"] == "#toasts"
        assert "<html" not in answer.text

    @pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 429, 500])
    def test_every_status_has_a_page_of_ours(self, client, route, status):
        answer = client.get(route(lambda: abort(status)), headers=HTML)
        assert answer.status_code == status
        assert "<h1>" in answer.text
        assert "Werkzeug" not in answer.text

    def test_a_wrong_method_says_which_are_right(self, client, route):
        url = route(lambda: "", methods=["GET"])
        answer = client.put(url, headers=HTML)
        assert answer.status_code in {400, 405}

    def test_a_body_that_is_too_large_is_told_the_limit(self, app, client, route, post):
        from flask import request

        app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
        answer = post(
            client, route(lambda: str(len(request.form)), methods=["POST"]), headers=HTML, text="x" * 2_000_000
        )
        assert answer.status_code == 413
        assert "1 MB" in answer.text

    def test_an_error_names_the_request(self, client, route):
        answer = client.get(route(lambda: 1 / 0), headers={"Accept": "application/json"})
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", answer.json["reference"])

    def test_what_a_client_calls_itself_is_not_taken_over(self, client):
        answer = client.get("/healthz", headers={"X-Request-ID": "chosen-by-me"})
        assert answer.headers["X-Request-ID"] != "chosen-by-me"


class TestHeaders:
    def test_every_answer_carries_them(self, client):
        for url in ("/sign-in", "/nowhere", "/static/studio.css", "/healthz"):
            with client.get(url) as answer:
                headers = answer.headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["X-Frame-Options"] == "DENY"

    def test_pages_are_not_kept_by_caches(self, client):
        assert "no-store" in client.get("/sign-in").headers["Cache-Control"]

    def test_files_are_kept_for_as_long_as_their_address_lasts(self, client):
        page = client.get("/sign-in").text
        address = re.search(r'href="(/static/studio\.css\?v=\w+)"', page)[1]
        with client.get(address) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
        with client.get("/static/studio.css") as answer:
            assert "immutable" not in answer.headers["Cache-Control"]

    def test_a_views_own_policy_stands(self, client, route):
        answer = client.get(route(lambda: ("x", {"Content-Security-Policy": "sandbox"})))
        assert answer.headers["Content-Security-Policy"] == "sandbox"


class TestRoutes:
    def test_each_has_a_permission_or_is_public_by_name(self, app):
        silent = [
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if route_permission(app, rule.endpoint) is None and not is_public(app, rule.endpoint)
        ]
        assert silent == []


class TestLanguage:
    @pytest.mark.parametrize(
        ("wish", "lang"),
        [
            ("zh-CN,zh;q=0.9", "zh-Hans"),
            ("zh-TW", "zh-Hans"),
            ("en-GB", "en"),
            ("de, zh;q=0.5", "zh-Hans"),
            ("de", "en"),
            ("", "en"),
        ],
    )
    def test_follows_the_browser(self, client, wish, lang):
        assert f'<html lang="{lang}"' in client.get("/sign-in", headers={"Accept-Language": wish}).text

    def test_is_remembered_for_who_is_not_signed_in(self, client, post):
        answer = post(client, "/preferences/locale", value="zh_Hans", next="/sign-in")
        assert answer.location == "/sign-in"
        assert '<html lang="zh-Hans"' in client.get("/sign-in").text

    def test_is_kept_with_the_account(self, browser_of, session, post):
        user = make_user(session, RoleName.CREATOR)
        browser = browser_of(user)
        post(browser, "/preferences/locale", value="zh_Hans", next="/")
        session.refresh(user)
        assert user.locale == "zh_Hans"
        assert '<html lang="zh-Hans"' in browser_of(user).get("/").text

    def test_refuses_one_that_it_does_not_speak(self, client, post):
        assert post(client, "/preferences/locale", value="tlh").status_code == 400


class TestTheme:
    def test_is_kept_with_the_account(self, browser_of, session, post):
        user = make_user(session, RoleName.CREATOR)
        browser = browser_of(user)
        assert 'data-theme="auto"' in browser.get("/").text
        post(browser, "/preferences/theme", value="dark", next="/characters/")
        session.refresh(user)
        assert user.theme is Theme.DARK
        assert 'data-bs-theme="dark"' in browser.get("/").text

    def test_refuses_another(self, client, post):
        assert post(client, "/preferences/theme", value="pink").status_code == 400


class TestLocalTarget:
    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "javascript:alert(1)",
            "",
            None,
            "///evil.example",
        ],
    )
    def test_never_leads_elsewhere(self, url):
        assert local_target(url) == "/"

    def test_keeps_a_page_of_ours(self):
        assert local_target("/characters/?q=x") == "/characters/?q=x"


class TestProbes:
    def test_live_needs_nothing(self, client):
        answer = client.get("/healthz")
        assert answer.status_code == 200
        assert answer.json["ok"] is True

    def test_ready_names_what_is_missing(self, client):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json["database"]["ok"] is True
        assert answer.json["worker"]["ok"] is False


class TestSecretKey:
    def test_is_made_once_for_the_owner_alone(self, settings):
        own = settings.model_copy(update={"secret_key": None})
        key = secret_key(own)
        path: Path = own.data / "secret_key"
        assert len(key) >= 43
        assert secret_key(own) == key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_says_what_to_do_with_an_empty_file(self, settings, monkeypatch):
        monkeypatch.setattr("studio.app.time.sleep", lambda _seconds: None)
        own = settings.model_copy(update={"secret_key": None})
        own.data.mkdir(parents=True, exist_ok=True)
        (own.data / "secret_key").touch()
        with pytest.raises(ValueError, match="Delete it"):
            secret_key(own)


class TestHome:
    @pytest.mark.parametrize("role", list(RoleName))
    def test_opens_for_every_role_within_the_budget(self, browser_of, session, statements, role):
        browser = browser_of(make_user(session, role))
        statements.clear()
        assert browser.get("/").status_code == 200
        assert len(statements) <= 16, statements

    def test_teaches_a_new_creator_the_first_step(self, browser_of, session):
        page = browser_of(make_user(session, RoleName.CREATOR)).get("/").text
        assert "Your stage is empty" in page
        assert 'href="/imports/"' in page


class TestNavigation:
    def test_shows_only_what_a_person_may_open(self, browser_of, session):
        creator = browser_of(make_user(session, RoleName.CREATOR)).get("/").text
        admin = browser_of(make_user(session, RoleName.ADMIN)).get("/").text
        assert 'href="/people/"' not in creator
        assert 'href="/people/"' in admin
        assert 'href="/imports/"' in creator
        assert 'href="/imports/"' not in admin

    def test_every_entry_can_be_opened(self, browser_of, session):
        for role in RoleName:
            browser = browser_of(make_user(session, role))
            side = browser.get("/").text.split('class="side-veil"')[0]
            for url in set(re.findall(r'<li><a href="([^"]+)"', side)):
                assert browser.get(url).status_code == 200, (role, url)


class TestLists:
    def test_each_stays_within_the_budget_and_the_size(self, app, browser_of, session, statements):
        everything = browser_of(make_user(session, *RoleName))
        lists = [rule for rule in app.url_map.iter_rules() if rule.endpoint.endswith(".index_view")]
        assert len(lists) >= 5
        for rule in lists:
            statements.clear()
            answer = everything.get(rule.rule)
            assert answer.status_code == 200, rule
            assert len(statements) <= 8, (rule, statements)
            assert len(answer.data) <= 40 * 1024, rule


class TestPalette:
    def test_finds_pages_and_own_characters_only(self, browser_of, session):
        from tests.factories.authoring import make_character

        mine, other = make_user(session, RoleName.CREATOR), make_user(session, RoleName.CREATOR)
        make_character(session, owner=mine.actor, name="Lantern Keeper")
        make_character(session, owner=other.actor, name="Lantern Thief")
        page = browser_of(mine).get("/palette/?q=lantern").text
        assert "Lantern Keeper" in page
        assert "Lantern Thief" not in page
        assert "Characters" in browser_of(mine).get("/palette/?q=charac").text


class TestTray:
    def test_asks_again_only_while_something_is_open(self, browser_of, session):
        user = make_user(session, RoleName.CREATOR)
        browser = browser_of(user)
        assert "hx-trigger" not in browser.get("/jobs/tray/").text
        work.ask(session, "memory.embed_character", actor=user.actor)
        session.flush()
        page = browser.get("/jobs/tray/").text
        assert 'hx-trigger="every 2s"' in page
        assert "Embed a character" in page

    def test_shows_nobody_elses(self, browser_of, session):
        work.ask(session, "memory.embed_character", actor=make_user(session, RoleName.CREATOR).actor)
        page = browser_of(make_user(session, RoleName.CREATOR)).get("/jobs/tray/").text
        assert "Embed a character" not in page


class TestAccountOfASuspended:
    def test_has_no_way_in(self, browser_of, session, now):
        from studio.accounts.models import UserStatus

        user = make_user(session, RoleName.CREATOR)
        browser = browser_of(user)
        session.execute(
            sa.update(User)
            .where(User.id == user.id)
            .values(status=UserStatus.SUSPENDED, suspended_at=now, suspension_reason="x")
        )
        session.flush()
        assert browser.get("/").status_code == 302
