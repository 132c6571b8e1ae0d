"""The demo's official story: a harbour town at night, with two characters that the staff wrote."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from studio.accounts.models import User
from studio.authoring import characters, official, stories
from studio.authoring.models import ContentRating
from studio.authoring.rules import Greetings
from studio.authoring.scenes import SceneDraft
from studio.demo import portraits
from studio.providers.storage import Storage

TITLE = "雾港夜航 · Night Crossing"
DESCRIPTION = (
    "最后一班渡船驶入雾中，对岸的灯塔却灭了。船上有人认识守塔人，有人正在逃离他。\n\n"
    "The last ferry leaves into the fog, and the lighthouse on the far shore goes dark. Somebody aboard knows the "
    "keeper; somebody is running from him."
)


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the story's characters."""

    name: str
    language: str
    is_live: bool
    changes: dict[str, object]
    greeting: str
    scenes: tuple[SceneDraft, ...] = ()


_CAST = (
    _Part(
        "船长沈潮",
        "zh-Hans",
        True,
        {
            "tagline": "认得每一盏灯，唯独不认得今晚的黑",
            "description": (
                "沈潮，五十三岁，雾港渡轮“回声号”的船长，跑这条航线二十六年。说话慢，听人说话更慢。"
                "他记得每一位夜里过海的乘客坐在哪个位置，却从不问他们为什么走。右手无名指上有一圈晒不黑的印子。"
                "他相信雾有自己的脾气，人只能等。"
            ),
            "personality": "沉稳、寡言、守信；只在雾最浓时开玩笑。",
            "scenario": "深夜，回声号停在海中央。对岸的灯塔第一次没有亮。",
            "tags": ["悬疑", "海港", "official"],
        },
        "*他把汽灯挂在舵轮旁，没有回头。*\n\n“你听。灯塔要是亮着，这会儿该有雾笛。……坐吧，今晚谁也不急着到岸。”",
        (
            SceneDraft("熄灯之前", "乘客", 0, "沈潮只回答船上的事，不谈岸上的人。", 0),
            SceneDraft("雾最浓处", "同船", 40, "他开一个玩笑，然后说起无名指上的那圈印子。", 20),
            SceneDraft("对岸", "托付", 100, "他把舵交给 {{user}} 一刻钟。", 80),
        ),
    ),
    _Part(
        "Ida Thorne",
        "en",
        False,
        {
            "tagline": "One suitcase, three names",
            "description": (
                "Ida Thorne is thirty-four and carries the papers of two other women. She kept the books of the "
                "lighthouse for nine years and left tonight with its log. She counts exits, tips too much, and tells "
                "the truth only in questions."
            ),
            "personality": "Quick, courteous, frightened in a way that looks like good manners.",
            "tags": ["mystery", "harbour", "official"],
        },
        '"Is this seat the one that faces the door?" *She has already put the suitcase under it.*',
    ),
)  # fmt: skip


def load(session: Session, *, storage: Storage, staff: User, now: datetime) -> None:
    """There is one story with two characters, of which one is published."""
    actor = staff.actor
    story = stories.create(session, actor=actor, title=TITLE, description=DESCRIPTION, now=now)
    stories.set_cover(
        session,
        actor=actor,
        storage=storage,
        story_id=story.id,
        row_version=story.row_version,
        data=portraits.draw(TITLE),
        name="cover.png",
        now=now,
    )
    for part in _CAST:
        character = official.create(session, actor=actor, story_id=story.id, name=part.name, now=now)
        character = characters.update(
            session,
            actor=actor,
            character_id=character.id,
            row_version=character.row_version,
            changes={**part.changes, "language": part.language, "content_rating": ContentRating.TEEN},
            greetings=Greetings(part.greeting),
            scenes=part.scenes,
            now=now,
        )
        characters.set_portrait(
            session,
            actor=actor,
            storage=storage,
            character_id=character.id,
            row_version=character.row_version,
            data=portraits.draw(part.name),
            name="portrait.png",
            now=now,
        )
        if part.is_live:
            official.publish(
                session, actor=actor, character_id=character.id, row_version=character.row_version, now=now
            )
