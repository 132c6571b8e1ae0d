"""The list of a million characters over HTTP: ours, a stock Flask-Admin and Django's admin, on the same server and table."""

import http.client
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import quote, urlencode

import sqlalchemy as sa

from studio.authoring.models import Character
from studio.kit.paging import encode_cursor
from tests.benchmarks.harness import Context, Result, Side, faster, in_turns
from tests.benchmarks.peers import django_stock
from tests.benchmarks.rows import add_characters, add_people
from tests.benchmarks.servers import Servers, servers, web_server
from tests.factories.accounts import PASSWORD

PEOPLE = 4
"""So many browsers ask at the same time."""

FAR = 20_000
"""The page, of twenty rows, that lies far into the list."""

FIRST_GOAL, FAR_GOAL, SEARCH_GOAL, STATEMENTS_GOAL = 12.0, 60.0, 20.0, 8.0

SEARCHES = ("馄饨", "Bram Fenn", "unlicensed bees", "女仵作", "dragon tutor", "夜市 守墓人")
"""Two Chinese characters, a name, a phrase, three characters, two words, two Chinese words; each in many rows or few."""

FLASK_ADMIN, DJANGO = "stock Flask-Admin 2.2", "Django 5.2's admin"


def run(context: Context) -> list[Result]:
    """Requests a second for the first page, a far page and searches, and the statements of each of our pages."""
    count = context.size(1_000_000, 2_000)
    far = context.size(FAR, 50)
    with ExitStack() as stack:
        here = stack.enter_context(servers(context.folder))
        staff, creators = add_people(here, 200)
        with context.step(f"{count:,} characters"):
            add_characters(here, count, owners=creators)
        sites = _sites(stack, context, here, staff)
        ours, django = sites["ours"], sites[DJANGO]
        cursor = _cursor(here, before=20 * (far - 1))
        first = {"ours": "/characters/", FLASK_ADMIN: "/characters/", DJANGO: django_stock.PATH}
        deep = {
            "ours": f"/characters/?sort=updated&desc=1&after={quote(cursor)}",
            FLASK_ADMIN: f"/characters/?page={far - 1}",
            DJANGO: f"{django_stock.PATH}?p={far}",
        }
        _must_show_the_same(here, {name: site.get(deep[name]) for name, site in sites.items()}, place=20 * (far - 1))
        searches = {
            "ours": [f"/characters/?{urlencode({'q': text})}" for text in SEARCHES],
            FLASK_ADMIN: [f"/characters/?{urlencode({'search': text})}" for text in SEARCHES],
            DJANGO: [f"{django_stock.PATH}?{urlencode({'q': text})}" for text in SEARCHES],
        }
        at_first = _rates(context, "first page", sites, {name: [path] for name, path in first.items()})
        far_in = _rates(context, f"page {far:,}", sites, {name: [path] for name, path in deep.items()})
        searched = _rates(context, "search", sites, searches)
        for text, path in zip(SEARCHES, searches["ours"], strict=True):
            with context.step(f"our search for {text}"):
                ours.get(path)
        statements = max(_statements(here, ours, path) for path in (first["ours"], deep["ours"], *searches["ours"]))
        of_peer = max(_statements(here, django, path) for path in (first[DJANGO], deep[DJANGO], *searches[DJANGO]))
    rows = f"{count:,} characters"
    found: list[Result] = []
    for what, rates, goals in (
        ("first page", at_first, {FLASK_ADMIN: FIRST_GOAL}),
        (f"page {far:,}", far_in, {FLASK_ADMIN: FAR_GOAL}),
        ("search", searched, {DJANGO: SEARCH_GOAL}),
    ):
        found += [
            faster(f"{rows}: {what}", ours=rates["ours"], peer=rates[peer], peer_name=peer, goal=goals.get(peer))
            for peer in (FLASK_ADMIN, DJANGO)
        ]
    found.append(
        Result(
            f"{rows}: a page",
            "statements",
            statements,
            peer=of_peer,
            peer_name=DJANGO,
            goal=STATEMENTS_GOAL,
            at_most=True,
        )
    )
    return found


class Site:
    """One of the three, as a browser that is signed in sees it; each of PEOPLE has a connection of its own."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.cookie = cookie
        self._free = [http.client.HTTPConnection("127.0.0.1", port, timeout=120) for _ in range(PEOPLE)]

    def get(self, path: str) -> str:
        """The page at `path`; raises RuntimeError where it is not answered with 200."""
        connection = self._free.pop()
        try:
            status, body = self._ask(connection, path)
        except (http.client.RemoteDisconnected, ConnectionError):
            # A server closes what was idle while the others had their turn.
            connection.close()
            status, body = self._ask(connection, path)
        finally:
            self._free.append(connection)
        if status != http.client.OK:
            raise RuntimeError(f"{path} was answered with {status}: {body[:500]}")
        return body

    def _ask(self, connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
        connection.request("GET", path, headers={"Cookie": self.cookie, "Accept": "text/html"})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def close(self) -> None:
        """Close the connections."""
        for connection in self._free:
            connection.close()


def _rates(
    context: Context, what: str, sites: Mapping[str, Site], paths: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    seconds, rounds = (0.1, 1) if context.quick else (4.0, 3)
    sides = {name: _asks(site, paths[name]) for name, site in sites.items()}
    rates = in_turns(sides, rounds=rounds, seconds=seconds)
    context.say(f"{what}: " + ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items()) + " requests/s")
    return rates


def _sites(stack: ExitStack, context: Context, here: Servers, staff: str) -> dict[str, Site]:
    found: dict[str, Site] = {}
    for name, target, ready, sign_in in (
        ("ours", "wsgi:app", "/healthz", lambda port: signed_in(port, staff)),
        (FLASK_ADMIN, "tests.benchmarks.peers.flask_admin_stock:app", "/admin/", lambda _port: ""),
        (DJANGO, "tests.benchmarks.peers.django_app:app", "/admin/login/", lambda _port: _django_cookie(here)),
    ):
        sign_in_at: Callable[[int], str] = sign_in
        cookie = sign_in_at(0) if name == DJANGO else ""
        log = context.folder / f"{target.split(':')[0]}.log"
        port = stack.enter_context(web_server(target, environment=here.environment, log=log, ready=ready))
        found[name] = Site(port, cookie or sign_in_at(port))
        stack.callback(found[name].close)
    return found


def signed_in(port: int, email: str) -> str:
    """Sign in by the page as a person does; the cookies for further requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    cookies: dict[str, str] = {}

    def exchange(method: str, body: str | None = None, path: str = "/sign-in") -> str:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        for header in response.headers.get_all("Set-Cookie", []):
            name, _, value = header.split(";", 1)[0].partition("=")
            cookies[name] = value
        text = response.read().decode()
        if response.status != (http.client.OK if body is None else http.client.FOUND):
            raise RuntimeError(f"Signing in was answered with {response.status}")
        return text

    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', exchange("GET"))
    if token is None:
        raise RuntimeError("The sign-in page has no token")
    exchange("POST", urlencode({"csrf_token": token[1], "email": email, "password": PASSWORD}))
    # Where a browser is led then; it keeps the cookie that this page gives it.
    exchange("GET", path="/")
    connection.close()
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _django_cookie(here: Servers) -> str:
    import os

    os.environ["STUDIO_DATABASE_URL"] = here.database_url
    try:
        django_stock.configure()
        return django_stock.sign_in()
    finally:
        del os.environ["STUDIO_DATABASE_URL"]


def _cursor(here: Servers, *, before: int) -> str:
    """The cursor of a list's page that begins at place `before`: a person gets it by paging, we look it up."""
    place = (
        sa.select(Character.updated_at, Character.id)
        .order_by(Character.updated_at.desc(), Character.id.desc())
        .offset(before - 1)
        .limit(1)
    )
    with here.engine.connect() as connection:
        return encode_cursor(list(connection.execute(place).one()))


def _must_show_the_same(here: Servers, pages: dict[str, str], *, place: int) -> None:
    """Raise RuntimeError unless the pages of all three show the same twenty characters."""
    query = sa.select(Character.name).order_by(Character.updated_at.desc(), Character.id.desc()).offset(place).limit(20)
    with here.engine.connect() as connection:
        names = connection.scalars(query).all()
    for site, page in pages.items():
        missing = [name for name in names if name not in page]
        if missing:
            raise RuntimeError(f"The page of {site} does not show {missing}")


def _asks(site: Site, paths: Sequence[str]) -> Side:
    """PEOPLE ask for the next of `paths` at once, each for all of them in turn."""
    pool = ThreadPoolExecutor(PEOPLE)
    turns: Iterator[int] = itertools.count()

    def ask() -> int:
        turn = next(turns)
        list(pool.map(site.get, [paths[(turn + person) % len(paths)] for person in range(PEOPLE)]))
        return PEOPLE

    return ask


def _statements(here: Servers, site: Site, path: str) -> int:
    """How many statements one request for `path` sends to PostgreSQL, transaction control aside."""
    with here.admin() as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        site.get(path)
        row = connection.execute(
            "SELECT sum(calls) FROM pg_stat_statements WHERE query !~* '^(begin|commit|rollback|select pg_stat)' AND toplevel"
        ).fetchone()
    return int(str(row[0])) if row and row[0] is not None else 0
