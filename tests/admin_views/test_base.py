"""Every line of Flask-Admin's defaults that must not be left as it is, each tried on a real view."""

import re
from html import unescape
from typing import ClassVar
from uuid import uuid4

import pytest
import sqlalchemy as sa

from admin_views.access import route_permission
from admin_views.base import StudioModelView, StudioView, expose
from admin_views.operations.csv_lists import neutral
from studio.accounts.permissions import Permission, RoleName
from studio.market.models import CharacterCategory as Category
from tests.admin_views.shelves import ShelfView
from tests.factories.accounts import make_user


@pytest.fixture
def app(app):
    with app.app_context():
        app.extensions["admin"][0].add_view(
            ShelfView(app.extensions["studio"], Category, name="Shelves", endpoint="shelves")
        )
    return app


@pytest.fixture
def creator(session, browser_of):
    return browser_of(make_user(session, RoleName.CREATOR))


@pytest.fixture
def staff(session, browser_of):
    return browser_of(make_user(session, RoleName.STAFF))


@pytest.fixture
def shelves(session):
    """Twelve of our own, the last one closed; the starting ones are out of the way."""
    session.execute(sa.delete(Category))
    made = [
        Category(name=f"shelf {n:02}", description=f"text {n}", sort_order=n % 3, is_active=n != 11) for n in range(12)
    ]
    session.add_all(made)
    session.flush()
    return made


def names(answer):
    return re.findall(r'class="row-link" href="[^"]*">([^<]*)<', answer.text)


def url_of(answer, rel):
    found = re.search(rf'rel="{rel}" href="([^"]*)"', answer.text)
    return unescape(found.group(1)) if found else None


class TestScope:
    """`get_one` of Flask-Admin ignores `get_query`: a row outside the scope is read and deleted by its id."""

    @pytest.mark.parametrize("page", ["", "/edit", "/delete"])
    def test_a_row_outside_is_not_found_by_its_id(self, creator, staff, shelves, page):
        assert creator.get(f"/shelves/{shelves[11].id}{page}").status_code == 404
        assert staff.get(f"/shelves/{shelves[11].id}{page}").status_code == 200

    @pytest.mark.parametrize("page", ["edit", "delete"])
    def test_a_row_outside_cannot_be_written(self, creator, shelves, session, post, page):
        answer = post(creator, f"/shelves/{shelves[11].id}/{page}", name="taken", row_version="1")
        assert answer.status_code == 404
        session.expire_all()
        assert session.get(Category, shelves[11].id).name == "shelf 11"

    def test_list_and_count_agree(self, creator, staff, shelves):
        assert "Rows: 11" in creator.get("/shelves/").text.replace("\n", "")
        assert "Rows: 12" in staff.get("/shelves/").text.replace("\n", "")

    def test_pickers_and_exports_keep_it(self, creator, shelves):
        found = creator.get("/shelves/lookup/parent?q=shelf 1").json["items"]
        assert [one["text"] for one in found] == ["shelf 10"]
        assert "shelf 11" not in creator.get("/shelves/export.csv").text

    def test_an_id_that_is_none_is_not_found(self, staff, app):
        assert staff.get("/shelves/not-an-id").status_code == 404
        assert staff.get(f"/shelves/{uuid4()}").status_code == 404

    def test_a_view_that_says_nothing_shows_nothing(self, app, shelves, session):
        with app.test_request_context():
            silent = StudioModelView(app.extensions["studio"], Category, name="x", endpoint="silent")
            assert session.scalars(silent.get_query()).all() == []


class TestPermissions:
    def test_a_route_that_is_not_declared_does_not_exist(self, app):
        endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
        assert "shelves.index_view" in endpoints
        assert not {"shelves.ajax_update", "shelves.ajax_lookup", "shelves.action_view", "shelves.export"} & endpoints

    def test_an_own_route_without_a_permission_stops_the_start(self, app):
        class Forgetful(StudioView):
            permissions: ClassVar = {}

            @expose("/")
            def index(self):
                return "open to all"

        with app.app_context(), pytest.raises(LookupError, match="index"):
            app.extensions["admin"][0].add_view(Forgetful(app.extensions["studio"], name="x", endpoint="forgetful"))

    def test_the_method_denies_what_it_does_not_know(self, app, session):
        view = next(view for view in app.extensions["admin"][0]._views if view.endpoint == "shelves")
        with app.test_request_context(), pytest.raises(Exception, match="roles"):
            view._handle_view("something_new")

    def test_nobody_is_sent_to_sign_in(self, client, app):
        answer = client.get("/shelves/?q=x")
        assert answer.status_code == 302
        assert "/sign-in" in answer.location
        assert "shelves" in answer.location

    def test_a_role_without_it_is_refused(self, creator, app):
        assert creator.get("/shelves/new").status_code == 403
        assert "roles do not allow" in creator.get("/shelves/new").text

    def test_tells_the_permission_of_a_route(self, app):
        assert route_permission(app, "shelves.create_view") == (Permission.CATEGORY_WRITE,)
        assert route_permission(app, "static") is None

    def test_a_wish_for_what_is_not_offered_is_not_shown(self, creator, staff, shelves):
        assert "/shelves/new" not in creator.get("/shelves/").text
        assert "/shelves/new" in staff.get("/shelves/").text


class TestUpdateByAjax:
    """POST `/ajax/update/` of Flask-Admin saves with `can_edit = False`, and others' rows."""

    def test_is_gone(self, staff, post, app):
        assert post(staff, "/shelves/ajax/update/", list_form_pk=str(uuid4()), name="x").status_code in {404, 405}


class TestLookup:
    """`/ajax/lookup/` of Flask-Admin is unbounded, unscoped and unescaped."""

    def test_gives_at_most_twenty(self, staff, session, shelves):
        session.add_all([Category(name=f"more {n:03}") for n in range(40)])
        session.flush()
        assert len(staff.get("/shelves/lookup/parent?q=more&limit=100000").json["items"]) == 20
        assert len(staff.get("/shelves/lookup/parent?q=more&limit=-5").json["items"]) == 1

    def test_takes_a_per_cent_sign_as_itself(self, staff, shelves):
        assert staff.get("/shelves/lookup/parent?q=%25").json["items"] == []

    def test_of_an_unknown_name_is_not_found(self, staff, app):
        assert staff.get("/shelves/lookup/owner?q=x").status_code == 404


class TestNoInlineHandlers:
    """Under a strict policy, Flask-Admin's inline `onclick` is blocked and delete fires without asking."""

    @pytest.mark.parametrize(
        "url", ["/shelves/", "/shelves/new", "/shelves/{id}", "/shelves/{id}/edit", "/shelves/{id}/delete", "/"]
    )
    def test_no_page_has_any(self, staff, shelves, url):
        page = staff.get(url.format(id=shelves[0].id)).text
        assert not re.search(r"<[^>]*\son[a-z]+\s*=", page)
        assert not re.search(r"<[^>]*\sstyle\s*=", page)
        assert not re.search(r"<script(?![^>]*\ssrc=)", page)
        assert "<style" not in page
        assert "javascript:" not in page

    def test_the_policy_allows_none(self, staff, app):
        policy = staff.get("/").headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "require-trusted-types-for 'script'" in policy

    def test_deleting_asks_on_a_page_of_its_own(self, staff, shelves, session, post):
        shelf_id = shelves[0].id
        page = staff.get(f"/shelves/{shelf_id}/delete")
        assert "cannot be taken back" in page.text
        assert session.scalar(sa.select(sa.func.count()).where(Category.id == shelf_id)) == 1
        assert post(staff, f"/shelves/{shelf_id}/delete", row_version="1").status_code == 303
        assert session.scalar(sa.select(sa.func.count()).where(Category.id == shelf_id)) == 0


class TestTwoPeopleSave:
    """With Flask-Admin the last one wins, even with a version column."""

    def test_the_second_keeps_both_texts(self, staff, shelves, session, post):
        url = f"/shelves/{shelves[0].id}/edit"
        assert post(staff, url, name="mine first", row_version="1").status_code == 303
        answer = post(staff, url, name="mine second", row_version="1")
        assert answer.status_code == 409
        assert "mine first" in answer.text
        assert 'name="name" value="mine second"' in answer.text
        assert "<ins>second</ins>" in answer.text
        session.expire_all()
        assert session.get(Category, shelves[0].id).name == "mine first"

    def test_saving_again_knowingly_works(self, staff, shelves, session, post):
        url = f"/shelves/{shelves[0].id}/edit"
        post(staff, url, name="theirs", row_version="1")
        page = post(staff, url, name="mine", row_version="1").text
        assert 'name="row_version" value="1"' in page
        seen = re.search(r'name="merge_version" value="(\d+)"', page)[1]
        kept = {"name": "mine", "row_version": "1", "merge_version": seen}
        assert post(staff, url, **kept).status_code == 409
        assert post(staff, url, **kept, **{"choice.name": "mine"}).status_code == 303
        session.expire_all()
        assert session.get(Category, shelves[0].id).name == "mine"

    def test_a_save_without_a_version_is_stale(self, staff, shelves, post):
        assert post(staff, f"/shelves/{shelves[0].id}/edit", name="mine").status_code == 409

    def test_a_form_that_was_wrong_keeps_the_version_it_was_read_with(self, staff, shelves, session, post):
        url = f"/shelves/{shelves[0].id}/edit"
        post(staff, url, name="theirs", row_version="1")
        answer = post(staff, url, name="", row_version="1")
        assert answer.status_code == 422
        assert 'name="row_version" value="1"' in answer.text


class TestRefusedSave:
    def test_shows_the_sentence_at_its_field_and_keeps_the_text(self, staff, shelves, session, post):
        answer = post(staff, f"/shelves/{shelves[0].id}/edit", name="refused", row_version="1")
        assert answer.status_code == 422
        assert "This name is not allowed." in answer.text
        assert 'value="refused"' in answer.text
        assert 'aria-invalid="true"' in answer.text
        session.expire_all()
        assert session.get(Category, shelves[0].id).name == "shelf 00"

    def test_an_answer_of_refusal_undoes_everything(self, staff, session, post, app):
        assert post(staff, "/shelves/half").status_code == 409
        assert session.scalar(sa.select(Category).where(Category.name == "half done")) is None


class TestErrorsOnTheScreen:
    """`flash(str(exc))` of Flask-Admin puts SQL and what was typed on the screen and into the cookie."""

    def test_says_a_sentence_and_a_reference(self, staff, shelves, session):
        answer = staff.get("/shelves/break")
        assert answer.status_code == 500
        assert "hunter2" not in answer.text + str(answer.headers)
        assert "SELECT" not in answer.text
        reference = re.search(r"<code>([^<]+)</code>", answer.text)[1]
        kept = session.execute(
            sa.text("SELECT stack_trace, message, place, user_id FROM error_logs WHERE reference = :r"),
            {"r": reference},
        ).one()
        assert "break_view" in kept.stack_trace
        assert "hunter2" not in kept.stack_trace + kept.message
        assert kept.place == "GET /shelves/break"
        assert kept.user_id is not None

    def test_answers_json_where_json_was_asked_for(self, staff, app):
        answer = staff.get("/shelves/break", headers={"Accept": "application/json"})
        assert set(answer.json) == {"error", "reference", "request_id"}


class TestCsrf:
    @pytest.mark.parametrize("url", ["/shelves/new", "/shelves/{id}/edit", "/shelves/{id}/delete", "/shelves/half"])
    def test_every_post_needs_the_token(self, staff, shelves, session, url):
        answer = staff.post(url.format(id=shelves[0].id), data={"name": "forged", "row_version": "1"})
        assert answer.status_code == 400
        assert "open for too long" in answer.text
        session.expire_all()
        assert session.get(Category, shelves[0].id).name == "shelf 00"

    def test_forms_carry_it(self, staff, shelves):
        assert 'name="csrf_token"' in staff.get("/shelves/new").text


class TestCount:
    def test_stops_at_ten_thousand_until_asked(self, staff, session):
        session.execute(
            sa.text(
                "INSERT INTO character_categories (id, name) SELECT uuidv7(), 'many ' || n FROM generate_series(1, 10050) n"
            )
        )
        assert "10,000+" in staff.get("/shelves/?name_is=&q=many").text
        assert "10,050" in staff.get("/shelves/?q=many&count=exact").text


class TestPaging:
    """No tie-breaker: rows repeat or vanish between pages. `page=-3`: error 500. OFFSET: slower page by page."""

    @pytest.mark.parametrize(
        ("sort", "desc"), [("name", 0), ("name", 1), ("sort_order", 0), ("sort_order", 1), ("parent", 0), ("parent", 1)]
    )
    def test_shows_every_row_once_forwards_and_back(self, staff, shelves, session, sort, desc):
        for n in (3, 4, 5):
            shelves[n].parent_id = shelves[0].id
        session.flush()
        pages, url = [], f"/shelves/?sort={sort}&desc={desc}"
        while url:
            answer = staff.get(url)
            pages.append(names(answer))
            url, back = url_of(answer, "next"), url_of(answer, "prev")
        assert [len(page) for page in pages] == [5, 5, 2]
        assert sorted(name for page in pages for name in page) == [f"shelf {n:02}" for n in range(12)]
        assert names(staff.get(back)) == pages[1]
        assert names(staff.get(url_of(staff.get(back), "prev"))) == pages[0]

    def test_uses_no_offset(self, staff, shelves, statements):
        url = url_of(staff.get("/shelves/"), "next")
        statements.clear()
        staff.get(url)
        assert not [one for one in statements if "OFFSET" in one]

    @pytest.mark.parametrize("cursor", ["-3", "x", "W10", "%00x", "WyJhIiwiYiJd", "a" * 5000])
    def test_refuses_a_made_up_cursor_in_a_sentence(self, staff, shelves, cursor):
        answer = staff.get(f"/shelves/?after={cursor}")
        assert answer.status_code == 400
        assert "first page of the list" in answer.text

    def test_ignores_stock_page_numbers(self, staff, shelves):
        assert len(names(staff.get("/shelves/?page=-3"))) == 5

    def test_ignores_an_unknown_order(self, staff, shelves):
        assert names(staff.get("/shelves/?sort=password&desc=1"))[0] == "shelf 00"


class TestBudget:
    """Dotted columns of Flask-Admin: 22 queries for 20 rows."""

    def test_a_list_page_takes_at_most_eight_statements(self, staff, shelves, statements):
        statements.clear()
        assert staff.get("/shelves/?q=shelf&state=on").status_code == 200
        assert len(statements) <= 8, statements

    def test_a_list_page_is_small(self, staff, shelves):
        assert len(staff.get("/shelves/").data) <= 40 * 1024


class TestSearch:
    def test_takes_a_per_cent_sign_as_itself(self, staff, shelves, session):
        shelves[2].name = "100% real"
        session.flush()
        assert names(staff.get("/shelves/?q=%25")) == ["100% real"]
        assert names(staff.get("/shelves/?q=_")) == []

    def test_finds_rows_that_contain_every_word(self, staff, shelves):
        assert names(staff.get("/shelves/?q=TEXT+shelf+07")) == ["shelf 07"]


class TestExport:
    @pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1+2", "@x", "\t=1", "  =1", "＝1"])
    def test_takes_formulas_as_text(self, text):
        assert neutral(text).startswith("'")

    def test_keeps_numbers(self):
        assert neutral(-5) == "-5"

    def test_neutralises_what_it_writes(self, staff, shelves, session):
        shelves[0].name = '=HYPERLINK("http://x")'
        session.flush()
        assert "\"'=HYPERLINK" in staff.get("/shelves/export.csv").text

    def test_is_streamed(self, staff, shelves):
        answer = staff.get("/shelves/export.csv", buffered=False)
        assert answer.is_streamed
        assert "shelf 03" in answer.text

    def test_offers_to_write_more_rows_than_the_cap(self, staff, shelves, monkeypatch):
        monkeypatch.setattr("admin_views.operations.csv_lists.MOST_ROWS", 10)
        answer = staff.get("/shelves/export.csv")
        assert answer.mimetype == "text/html"
        assert "Write the file" in answer.text


class TestFieldsByRole:
    """Flask-Admin caches columns and forms at the start: one role's leak to another."""

    def test_hides_columns_and_fields_on_every_request(self, creator, staff, shelves):
        for client, sees in ((staff, True), (creator, False), (staff, True)):
            assert ("text 1" in client.get("/shelves/").text) is sees
            assert ("text 0" in client.get(f"/shelves/{shelves[0].id}").text) is sees
            assert ('name="description"' in client.get(f"/shelves/{shelves[0].id}/edit").text) is sees
            assert ("text 1" in client.get("/shelves/export.csv").text) is sees


class TestFilters:
    """Positional filter arguments change their meaning; to-many filters join, and page and count disagree."""

    def test_are_known_by_name(self, staff, shelves):
        assert names(staff.get("/shelves/?state=off")) == ["shelf 11"]
        assert names(staff.get("/shelves/?since=2000-01-01&name_is=shelf+04")) == ["shelf 04"]

    def test_on_many_show_a_row_once(self, staff, shelves, session):
        for n in (1, 2, 3):
            shelves[n].parent_id = shelves[0].id
        session.flush()
        answer = staff.get("/shelves/?child=shelf")
        assert names(answer) == ["shelf 00"]
        assert "Rows: 1<" in answer.text.replace("\n", "")

    @pytest.mark.parametrize("wrong", ["since=yesterday", "state=maybe"])
    def test_say_what_they_could_not_use(self, staff, shelves, wrong):
        answer = staff.get(f"/shelves/?{wrong}")
        assert answer.status_code == 200
        assert 'class="alert alert-warning"' in answer.text


class TestBulk:
    def test_stock_actions_are_gone(self, staff, shelves, session, post):
        assert post(staff, "/shelves/action/", action="delete", rowid=str(shelves[0].id)).status_code in {404, 405}
        session.expire_all()
        assert session.get(Category, shelves[0].id) is not None


class TestMarkup:
    """Flask-Admin's pages have no `lang`, `h1`, `main`, skip link, `scope` or `aria-sort`."""

    @pytest.mark.parametrize("url", ["/", "/shelves/", "/shelves/new", "/shelves/{id}", "/shelves/{id}/edit"])
    def test_every_page_has_its_landmarks(self, staff, shelves, url):
        page = staff.get(url.format(id=shelves[0].id)).text
        assert '<html lang="en"' in page
        assert len(re.findall(r"<h1[ >]", page)) == 1
        assert len(re.findall(r"<main[ >]", page)) == 1
        assert 'class="skip" href="#main"' in page
        assert 'role="status"' in page

    def test_tables_say_their_order(self, staff, shelves):
        page = staff.get("/shelves/?sort=sort_order&desc=1").text
        assert '<th scope="col"' in page
        assert 'aria-sort="descending"' in page

    def test_fields_have_labels(self, staff, shelves):
        assert '<label class="form-label" for="name">' in staff.get("/shelves/new").text


class TestStockTemplates:
    def test_can_never_be_rendered(self, app):
        import jinja2

        with app.test_request_context("/"), pytest.raises(jinja2.TemplateNotFound):
            app.jinja_env.get_template("admin/static.html")

    def test_no_stock_file_is_served(self, client):
        assert client.get("/static/admin/vendor/jquery.min.js").status_code == 404
