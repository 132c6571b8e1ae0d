"""Brings what the studio cannot work without: roles, reasons of the review, and a first set of categories."""

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = {
    "creator": "Writes characters, brings cards, submits listings.",
    "moderator": "Works the review queue.",
    "staff": "Sees jobs, errors and figures, and runs maintenance.",
    "admin": "Manages people and their roles.",
}

# code, title, title in Chinese, message to the creator, the same in Chinese, severe.
REASONS = (
    (
        "thin_description",
        "Description too thin",
        "描述过于单薄",
        "The description does not yet tell who the character is. Say what they want, how they speak and what makes them theirs.",
        "描述还不足以说明角色是谁。请写明其目标、说话方式和独特之处。",
        False,
    ),
    (
        "missing_portrait",
        "Portrait missing or of low quality",
        "头像缺失或质量过低",
        "Add a portrait that is at least 400 pixels wide and shows the character clearly.",
        "请添加一张宽度至少 400 像素、清晰展示角色的头像。",
        False,
    ),
    (
        "wrong_rating",
        "Wrong content rating",
        "内容分级错误",
        "The rating is lower than what the card contains. Choose the rating that fits, or change the texts.",
        "所选分级低于卡片实际内容。请选择合适的分级，或修改文本。",
        False,
    ),
    (
        "minors",
        "Sexual content with minors or apparent minors",
        "涉及未成年人或貌似未成年人的性内容",
        "Sexual content with minors, or with characters who appear to be minors, is never allowed here.",
        "此处绝不允许涉及未成年人或貌似未成年人的性内容。",
        True,
    ),
    (
        "real_person",
        "Real person",
        "真实人物",
        "The character is a real person, or is easily taken for one, without their consent.",
        "该角色是真实人物或极易被误认为真实人物，且未获其同意。",
        False,
    ),
    (
        "copyright",
        "Copyright or claim",
        "版权或权利主张",
        "Texts or pictures belong to somebody else, or somebody claimed them. Use your own, or show the licence.",
        "文本或图片属于他人或已被他人主张权利。请使用自己的内容或出示许可。",
        False,
    ),
    (
        "duplicate",
        "Duplicate or plagiarism",
        "重复或抄袭",
        "The card is nearly the same as one that is already here. Credit and change it, or withdraw it.",
        "该卡片与已有卡片几乎相同。请注明来源并加以改动，或撤回。",
        False,
    ),
    (
        "advertising",
        "Advertising or links",
        "广告或链接",
        "Remove addresses, contact details and advertising from the card.",
        "请从卡片中移除网址、联系方式和广告。",
        False,
    ),
    (
        "injection",
        "Prompt injection or scripts",
        "提示注入或脚本",
        "The card tries to steer the model or the reader's program outside the role. Remove the instructions or scripts.",
        "卡片试图在角色之外操控模型或读者的程序。请移除相关指令或脚本。",
        False,
    ),
    (
        "hate",
        "Hate or harassment",
        "仇恨或骚扰",
        "The card attacks people for who they are, or harasses someone.",
        "卡片因身份攻击他人，或对他人进行骚扰。",
        False,
    ),
    (
        "self_harm",
        "Promotion of self-harm",
        "宣扬自我伤害",
        "The card presents self-harm as something to do. Change or remove these passages.",
        "卡片将自我伤害表现为可取之举。请修改或移除相关段落。",
        False,
    ),
    (
        "illegal_instructions",
        "Illegal instructions",
        "违法操作指引",
        "The card tells how to do something illegal in a way that works outside the story.",
        "卡片讲述了可在故事之外实行的违法操作。",
        False,
    ),
    (
        "wrong_category",
        "Wrong category or tags",
        "分类或标签错误",
        "Choose a category and tags that say what the character is.",
        "请选择符合角色的分类与标签。",
        False,
    ),
    (
        "broken_greeting",
        "Broken greeting or macros",
        "开场白或宏损坏",
        "The greeting is empty or its macros do not work. Use {{char}} and {{user}} with two braces.",
        "开场白为空或宏无法工作。请使用双大括号的 {{char}} 与 {{user}}。",
        False,
    ),
    (
        "spam",
        "Spam",
        "垃圾内容",
        "The listing was made to fill the market and not to be met.",
        "该条目仅为充斥市场而作，并非供人使用。",
        False,
    ),
)

CATEGORIES = (
    ("Fantasy", "奇幻", "wand"), ("Science fiction", "科幻", "rocket"), ("Everyday life", "日常", "coffee"),
    ("Mystery", "悬疑", "search"), ("History", "历史", "building-castle"), ("Romance", "恋爱", "heart"),
    ("Helpers and teachers", "助手与老师", "school"), ("Adventure and games", "冒险与游戏", "sword"),
    ("Other", "其他", "dots"),
)  # fmt: skip


def _id(kind: str, name: str) -> object:
    """The same id on every installation, so that exports between them agree."""
    return uuid5(NAMESPACE_URL, f"greenroom:{kind}:{name}")


def upgrade() -> None:
    text, uuid = sa.Text(), sa.Uuid()
    roles = sa.table("roles", sa.column("id", uuid), sa.column("name", text), sa.column("description", text))
    op.bulk_insert(roles, [{"id": _id("role", n), "name": n, "description": d} for n, d in ROLES.items()])
    reasons = sa.table(
        "review_reasons",
        sa.column("id", uuid),
        *(sa.column(name, text) for name in ("code", "title", "title_zh", "message", "message_zh")),
        sa.column("sort_order", sa.Integer()),
        sa.column("is_severe", sa.Boolean()),
    )
    op.bulk_insert(
        reasons,
        [
            {
                "id": _id("reason", code), "code": code, "title": title, "title_zh": title_zh,
                "message": message, "message_zh": message_zh, "sort_order": place * 10, "is_severe": severe,
            }
            for place, (code, title, title_zh, message, message_zh, severe) in enumerate(REASONS, 1)
        ],
    )  # fmt: skip
    categories = sa.table(
        "character_categories",
        sa.column("id", uuid),
        *(sa.column(name, text) for name in ("name", "name_zh", "icon")),
        sa.column("sort_order", sa.Integer()),
    )
    op.bulk_insert(
        categories,
        [
            {"id": _id("category", name), "name": name, "name_zh": name_zh, "icon": icon, "sort_order": place * 10}
            for place, (name, name_zh, icon) in enumerate(CATEGORIES, 1)
        ],
    )


def downgrade() -> None:
    for table in ("character_categories", "review_reasons", "user_roles", "roles"):
        op.execute(f"DELETE FROM {table}")
