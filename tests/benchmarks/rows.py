"""Rows for the benchmarks, made inside PostgreSQL: realistic texts in Chinese and English, filled as saving fills them."""

import random
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg import sql

from studio.accounts.permissions import RoleName
from studio.authoring import rules
from studio.kit.db import session_scope
from tests.benchmarks.servers import Servers
from tests.factories.accounts import make_user

_KINDS = 4_000
"""Different texts. Each row has one of them, numbered, so that no two are equal."""

_FAMILY = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_GIVEN = "明月清风云舟若兰思远子衿晓梦长歌青山白露知秋星河听雨南烟北辰临渊望舒扶摇归晚"
_FIRST = [
    "Ada",
    "Bram",
    "Cleo",
    "Dorian",
    "Elin",
    "Farah",
    "Gideon",
    "Hana",
    "Idris",
    "Juno",
    "Kai",
    "Lena",
    "Mira",
    "Noor",
    "Odile",
    "Petra",
    "Quinn",
    "Rosa",
    "Silas",
    "Tamsin",
]
_LAST = [
    "Ashdown",
    "Birch",
    "Corvane",
    "Dray",
    "Ellery",
    "Fenn",
    "Grange",
    "Hallow",
    "Iver",
    "Jarrow",
    "Keld",
    "Lorne",
    "Marsh",
    "Nettle",
    "Orme",
    "Pell",
    "Quill",
    "Rook",
]
_ROLES = (
    ("lighthouse keeper", "守塔人"),
    ("harbour inspector", "私家侦探"),
    ("airship courier", "飞艇信使"),
    ("court fencer", "女仵作"),
    ("clock mender", "修表匠"),
    ("night train conductor", "夜车列车长"),
    ("reactor singer", "星舰领航员"),
    ("dragon tutor", "驯龙师"),
    ("noodle cook", "馄饨摊主"),
    ("archivist", "图书管理员"),
    ("alchemist", "炼丹师"),
    ("beekeeper", "养蜂人"),
    ("tomb guardian", "剑冢守墓人"),
    ("embroiderer", "绣娘"),
    ("cartographer", "制图师"),
    ("retired spy", "退隐刺客"),
    ("ghost lawyer", "阴间讼师"),
    ("street magician", "街头术士"),
    ("android nurse", "仿生护士"),
    ("tea merchant", "茶商"),
)
_PLACES = (
    ("a town where it always rains", "民国上海滩"),
    ("the last station of the line", "长安西市"),
    ("a drowned city", "江南水乡"),
    ("the northern fortress", "塞外孤城"),
    ("an orbital garden", "火星穹顶"),
    ("the market under the bridge", "深夜的夜市"),
    ("a monastery on the cliffs", "昆仑雪山"),
    ("the royal archive", "皇家书库"),
    ("a caravan of exiles", "丝绸之路"),
    ("the fog district", "雾都租界"),
    ("a school for thieves", "蜀中唐门"),
    ("the glass desert", "末世废土"),
    ("an empty theatre", "老戏园子"),
    ("the moon colony", "月背基地"),
    ("a village of masks", "湘西古寨"),
    ("the salt mines", "海上蜃楼"),
)
_HABITS = (
    ("answers letters that were never sent", "替亡者写家书"),
    ("is paid in riddles that come true", "把古诗编进航线坐标"),
    ("listens to liars until they tell the truth", "从茶渍与雨声里推断凶手"),
    ("mends the hours that people lost", "修补别人丢失的时辰"),
    ("keeps unlicensed bees", "用味道记住每位客人"),
    ("knows what every passenger is fleeing from", "用一本书换一个故事"),
    ("draws maps of places that move", "绣出的鸟会在黎明飞走"),
    ("never lost a duel nor spoke of one", "一生求一败而不可得"),
    ("sings to machines at night", "炼出会说话的药丸"),
    ("collects the last words of strangers", "收集陌生人的遗言"),
    ("cannot refuse a wager", "逢赌必应"),
    ("remembers tomorrow and forgets today", "记得明天却忘了今天"),
    ("talks to the crows about politics", "与乌鸦议论朝政"),
    ("pretends to be much older", "总装作年长许多"),
    ("hides a door in the cellar", "地窖里藏着一扇门"),
    ("is looking for a lost sister", "寻找失踪的妹妹"),
)
_TAGS = ("wuxia", "武侠", "detective", "侦探", "sci-fi", "科幻", "romance", "古风", "slice of life", "奇幻")


@dataclass(frozen=True)
class Kind:
    """One of the texts: what a row of this kind says, and what search reads of it."""

    name: str
    tagline: str
    description: str
    tags: list[str]
    search_text: str
    bigrams: list[str]


def kinds(count: int = _KINDS) -> list[Kind]:
    """Characters as people write them, every other one in Chinese; a role, a place or a habit is in a few per cent."""
    chance = random.Random(20_261_122)
    made = []
    for number in range(count):
        tongue = number % 2
        if tongue:
            name = chance.choice(_FAMILY) + "".join(chance.sample(_GIVEN, 2))
            sentence, full_stop, between = "{name}是{place}的{role}，{habit}", "。", ""
        else:
            name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
            sentence, full_stop, between = "{name}, {role} in {place}, {habit}", ".", " "
        said = [
            sentence.format(
                name=name,
                role=chance.choice(_ROLES)[tongue],
                place=chance.choice(_PLACES)[tongue],
                habit=chance.choice(_HABITS)[tongue],
            )
            for _ in range(7 if tongue else 3)
        ]
        values: dict[str, Any] = {
            "name": name,
            "tagline": said[0][:60],
            "description": between.join(one + full_stop for one in said),
            "tags": chance.sample(_TAGS, 2),
        }
        search = rules.search_text(values)
        made.append(Kind(**values, search_text=search, bigrams=rules.bigrams(search)))
    return made


def add_people(servers: Servers, count: int) -> tuple[str, list[UUID]]:
    """A member of the staff, by e-mail address, and the ids of `count` creators; all sign in with the tests' password."""
    with session_scope(servers.engine) as session:
        staff = make_user(session, RoleName.STAFF, email="staff@bench.example")
        creators = [make_user(session, RoleName.CREATOR, email=f"creator{n}@bench.example").id for n in range(count)]
        return staff.email, creators


def add_characters(servers: Servers, count: int, *, owners: list[UUID], indexed_after: bool = True) -> None:
    """`count` characters, last changed in an order that has nothing to do with where they lie; vacuumed and analysed.

    Row n has tag `one-in-10` where n mod 10 is 3, `one-in-100` where n mod 100 is 7, `one-in-1000` where n mod 1000 is 9.
    With `indexed_after`, indexes but the unique ones are dropped before and made again after: a million rows load
    in a fraction of the time.
    """
    with servers.admin() as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET client_min_messages = warning")
        indexes = _drop_indexes(connection) if indexed_after else []
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "CREATE TEMP TABLE kinds (place int PRIMARY KEY, name text, tagline text, description text, tags text[],"
            " search_text text, bigrams text[])"
        )
        with connection.cursor() as cursor, cursor.copy("COPY kinds FROM STDIN") as copy:
            for number, kind in enumerate(kinds()):
                copy.write_row(
                    (number, kind.name, kind.tagline, kind.description, kind.tags, kind.search_text, kind.bigrams)
                )
        connection.execute("CREATE TEMP TABLE owners (place int PRIMARY KEY, id uuid)")
        with connection.cursor() as cursor, cursor.copy("COPY owners FROM STDIN") as copy:
            for number, owner in enumerate(owners):
                copy.write_row((number, owner))
        connection.execute(_FILL, {"count": count, "kinds": _KINDS, "owners": len(owners)})
        connection.execute("SET session_replication_role = origin")
        for definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE characters")


_FILL = """
INSERT INTO characters (id, origin, owner_id, status, name, tagline, description, tags, search_text, bigrams,
                        content_hash, created_at, updated_at)
SELECT uuidv7(make_interval(secs => n * 0.001)), 'creator', owners.id,
       CASE WHEN n %% 3 = 0 THEN 'published' WHEN n %% 20 = 1 THEN 'archived' ELSE 'draft' END,
       kinds.name || ' ' || n, kinds.tagline, kinds.description || ' № ' || n,
       kinds.tags || CASE WHEN n %% 10 = 3 THEN '{one-in-10}'::text[] ELSE '{}' END
                  || CASE WHEN n %% 100 = 7 THEN '{one-in-100}'::text[] ELSE '{}' END
                  || CASE WHEN n %% 1000 = 9 THEN '{one-in-1000}'::text[] ELSE '{}' END,
       -- Folding leaves digits as they are; "№" becomes "no".
       replace(kinds.search_text, lower(kinds.name) || E'\\n', lower(kinds.name) || ' ' || n || E'\\n') || ' no ' || n,
       kinds.bigrams, md5(n::text),
       timestamptz '2026-01-01' + n * interval '1 second',
       timestamptz '2026-02-01' + (n::bigint * 7919 %% 1000003) * interval '10 seconds'
FROM generate_series(0, %(count)s - 1) AS n
JOIN kinds ON kinds.place = (n::bigint * 7919 %% %(kinds)s)
JOIN owners ON owners.place = (n::bigint * 17 %% %(owners)s)
"""


def _drop_indexes(connection: "psycopg.Connection[tuple[object, ...]]") -> list[sql.SQL]:
    """Drop the indexes of `characters` that enforce nothing, and return the statements that make them again."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = indexname JOIN pg_index ON indexrelid = pg_class.oid"
        " WHERE tablename = 'characters' AND NOT indisunique"
    ).fetchall()
    for name, _definition in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
    return [sql.SQL(str(definition)) for _name, definition in found]  # type: ignore[arg-type]


def character_ids(servers: Servers) -> list[UUID]:
    """The ids of all characters in the order in which they were made: row n is at place n."""
    with servers.engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT id FROM characters ORDER BY created_at")))
