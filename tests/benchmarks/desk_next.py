"""The review desk's next case over HTTP with 100,000 cases waiting, and with a hundred: it must be no slower, in at most eight statements."""

import http.client
import re
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import psycopg
from psycopg import sql

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.market.models import ReviewCase
from tests.benchmarks.character_list import signed_in
from tests.benchmarks.harness import Context, Result, Side, faster, in_turns
from tests.benchmarks.rows import add_people
from tests.benchmarks.servers import Servers, servers, web_server
from tests.factories.accounts import make_user
from tests.factories.market import make_card, make_waiting_case

MANY, FEW = 100_000, 100
MODERATOR = "moderator@bench.example"

STATEMENTS_GOAL, RATIO_GOAL = 8.0, 0.9
"""A tenth is what two measurements of the same thing differ by on a machine that does other things too."""

_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def run(context: Context) -> list[Result]:
    """Turns a second (take the next case, read its page, give it back) and the statements of both, at both lengths."""
    lengths = {"many": context.size(MANY, 2_000), "few": FEW}
    with ExitStack() as stack:
        desks: dict[str, Desk] = {}
        places: dict[str, Servers] = {}
        for name, count in lengths.items():
            folder = context.folder / name
            folder.mkdir()
            here = places[name] = stack.enter_context(servers(folder))
            with context.step(f"{count:,} cases that wait"):
                add_cases(here, count)
            log = folder / "web.log"
            port = stack.enter_context(web_server("wsgi:app", environment=here.environment, log=log, ready="/healthz"))
            desks[name] = Desk(port, signed_in(port, MODERATOR))
            stack.callback(desks[name].close)
        seconds, rounds = (0.2, 1) if context.quick else (6.0, 5)
        sides: dict[str, Side] = {name: desk.turn for name, desk in desks.items()}
        rates = in_turns(sides, rounds=rounds, seconds=seconds)
        taking, reading = _statements(places["many"], desks["many"])
    waiting = f"{lengths['many']:,} cases waiting"
    return [
        faster(
            f"{waiting}: the next case taken, read and given back",
            ours=rates["many"],
            peer=rates["few"],
            peer_name=f"ours with {FEW} waiting",
            goal=RATIO_GOAL,
            unit="turns/s",
        ),
        Result(f"{waiting}: its page", "statements", reading, goal=STATEMENTS_GOAL, at_most=True),
        Result(f"{waiting}: taking it", "statements", taking, goal=STATEMENTS_GOAL, at_most=True),
    ]


class Desk:
    """A moderator's browser."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._cookie = cookie
        found = _CSRF.search(self.ask("GET", "/review/")[1])
        if found is None:
            raise RuntimeError("The queue has no form.")
        self._token = found[1]

    def turn(self) -> int:
        """Take the next case, read its page and give it back."""
        path = self.take()
        self.ask("GET", path)
        self.post(f"{path}/release")
        return 1

    def take(self) -> str:
        """Take the next case; the path of its page."""
        path = urlsplit(self.post("/review/next")).path
        if path == "/review/":
            raise RuntimeError("Nothing waits.")
        return path

    def post(self, path: str) -> str:
        """Press a button; where it leads."""
        return self.ask("POST", path, urlencode({"csrf_token": self._token}))[0]

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[str, str]:
        """The address that an answer leads to, and its text; raises RuntimeError for a refusal."""
        headers = {"Cookie": self._cookie, "Accept": "text/html"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, body=body, headers=headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # A server closes what was idle while the other side had its turn.
            self._connection.close()
            self._connection.request(method, path, body=body, headers=headers)
            response = self._connection.getresponse()
        text = response.read().decode()
        if response.status not in {http.client.OK, http.client.SEE_OTHER}:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {text[:500]}")
        return response.headers.get("Location", ""), text

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def add_cases(here: Servers, count: int) -> None:
    """`count` cases of 200 creators that wait for a moderator, screened and compared, due one second after the other."""
    _staff, creators = add_people(here, 200)
    with session_scope(here.engine) as session:
        make_user(session, RoleName.MODERATOR, email=MODERATOR)
        owner = make_user(session, RoleName.CREATOR, email="template@bench.example").actor
        now = utc_now()
        character = make_card(session, owner=owner, now=now, scenario="By the sea, in the rain. " * 60)
        case = make_waiting_case(session, owner=owner, now=now, character=character)
        case.compared_at = now
        session.flush()
        template = (character.id, case.publication_id, case.id)
    with here.admin() as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("SET session_replication_role = replica")
        _multiply(connection, count, creators, template)
        connection.execute("SET session_replication_role = origin")
        connection.execute("VACUUM ANALYZE")


def _multiply(
    connection: "psycopg.Connection[tuple[object, ...]]",
    count: int,
    creators: Sequence[UUID],
    template: tuple[UUID, UUID, UUID],
) -> None:
    """Copies of one character with its version, listing, case and findings; ids follow from the number of the copy."""
    character_id, publication_id, case_id = template
    owners = "(ARRAY[{}]::uuid[])[1 + n % {}]".format(", ".join(f"'{one}'" for one in creators), len(creators))
    ids = {name: f"md5('{name}' || n)::uuid" for name in ("character", "version", "listing", "case")}
    for table, key, value, changes in (
        (
            "characters",
            "id",
            character_id,
            {"id": ids["character"], "owner_id": owners, "name": "name || ' ' || n", "content_hash": "md5(n::text)"},
        ),
        ("character_versions", "character_id", character_id, {"id": ids["version"], "character_id": ids["character"]}),
        (
            "character_publications",
            "id",
            publication_id,
            {"id": ids["listing"], "character_id": ids["character"], "publisher_id": owners},
        ),
        (
            ReviewCase.__tablename__,
            "id",
            case_id,
            {
                "id": ids["case"],
                "publication_id": ids["listing"],
                "due_at": "due_at + n * interval '1 second'",
                "opened_at": "opened_at + n * interval '1 second'",
            },
        ),
        (
            "screening_results",
            "case_id",
            case_id,
            {"id": "md5('result' || check_name || n)::uuid", "case_id": ids["case"]},
        ),
    ):
        columns = [
            str(name)
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
                " ORDER BY ordinal_position",
                (table,),
            ).fetchall()
        ]
        statement = sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series(1, {count}) AS n WHERE {key} = {value}"
        )
        connection.execute(
            statement.format(
                table=sql.Identifier(table),
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                values=sql.SQL(", ").join(
                    sql.SQL(changes[name]) if name in changes else sql.Identifier(name)
                    for name in columns  # type: ignore[arg-type]  # Written above.
                ),
                count=sql.Literal(count - 1),
                key=sql.Identifier(key),
                value=sql.Literal(value),
            )
        )


def _statements(here: Servers, desk: Desk) -> tuple[int, int]:
    """How many statements taking the next case and reading its page send to PostgreSQL, transaction control aside."""
    with here.admin() as connection:
        counts = []
        path = ""
        for what in ("take", "read"):
            connection.execute("SELECT pg_stat_statements_reset()")
            if what == "take":
                path = desk.take()
            else:
                desk.ask("GET", path)
            row = connection.execute(
                "SELECT sum(calls) FROM pg_stat_statements"
                " WHERE query !~* '^(begin|commit|rollback|savepoint|release|select pg_stat)' AND toplevel"
            ).fetchone()
            counts.append(int(str(row[0])) if row and row[0] is not None else 0)
        desk.post(f"{path}/release")
    return counts[0], counts[1]
