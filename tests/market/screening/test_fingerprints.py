"""Near copies of real cards are found, and other cards by the same authors are not; the numbers stand in the how-to."""

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.cards.errors import CardError
from studio.cards.reader import read_card
from studio.market.screening import fingerprints
from studio.media import pixels

STORY = (
    "{{char}} keeps the last lighthouse on the northern shore. He writes letters to ships that never answer, and hums "
    "while he works. When {{user}} comes up the stairs he pretends not to have waited for anybody. "
) * 3


def card(**data):
    return {"spec": "chara_card_v3", "data": {"name": "Ada", "first_mes": "", **data}}


def signed(given):
    return fingerprints.signature(fingerprints.said(given))


def alike(one, other):
    first, second = signed(one), signed(other)
    return 0.0 if first is None or second is None else fingerprints.similarity(first, second)


def exact_jaccard(one, other):
    grams = [{said[i : i + 5] for i in range(len(said) - 4)} for said in map(fingerprints.said, (one, other))]
    return len(grams[0] & grams[1]) / max(1, len(grams[0] | grams[1]))


class TestSaid:
    @pytest.mark.parametrize(
        "other",
        [
            card(description=STORY.replace("{{char}}", "Ada")),
            card(description=STORY.replace("{{user}}", "<USER>").replace("{{char}}", "<BOT>")),
            card(description=STORY.upper().replace("{{CHAR}}", "{{char}}").replace("{{USER}}", "{{User}}")),
            card(description=STORY.replace(". ", ".\n\n* ").replace(" ", "  ")),
            {"data": {"name": "Bertram Vane", "description": STORY.replace("{{char}}", "Bertram Vane")}},
        ],
    )
    def test_is_the_same_under_another_name_or_layout(self, other):
        assert fingerprints.said(other) == fingerprints.said(card(description=STORY))

    def test_a_name_is_no_part_of_a_word(self):
        one = fingerprints.said({"data": {"name": "Al", "description": "Al also calls."}})
        assert one.endswith("alsocalls")

    def test_chinese_names_are_found_without_spaces(self):
        mine = {"data": {"name": "林默", "description": "林默是灯塔守护人，林默写信。"}}
        theirs = {"data": {"name": "苏晚", "description": "苏晚是灯塔守护人，苏晚写信。"}}
        assert fingerprints.said(mine) == fingerprints.said(theirs)

    def test_stands_anything(self):
        for odd in ({}, {"data": []}, {"data": {"name": 5, "alternate_greetings": {"a": 1}, "description": None}}):
            assert fingerprints.signature(fingerprints.said(odd)) is None


class TestSignature:
    def test_is_none_where_there_is_too_little_text(self):
        assert fingerprints.signature("short") is None

    def test_stays_what_it_is(self):
        # Signatures lie in the database: a change of numbers or folding would make all of them worthless.
        said = fingerprints.said(card(description=STORY))
        assert fingerprints.signature(said)[:8].hex() == fingerprints.signature(said)[:8].hex()
        assert len(fingerprints.signature(said)) == 512

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000), st.floats(0.0, 1.0))
    def test_estimates_the_jaccard_similarity_of_five_grams(self, seed, share):
        chance = random.Random(seed)
        words = ["".join(chance.choices("abcdefghijklmnop灯塔守护人", k=7)) for _ in range(300)]
        other = [word if chance.random() < share else "".join(chance.choices("qrstuvwxyz", k=7)) for word in words]
        one, two = card(description=" ".join(words)), card(description=" ".join(other))
        # Four standard deviations of a mean over 128.
        assert alike(one, two) == pytest.approx(exact_jaccard(one, two), abs=0.18)


class TestBands:
    def test_near_copies_share_some_and_strangers_none(self):
        changed = STORY.replace("letters", "poems")
        one, near = signed(card(description=STORY)), signed(card(description=changed))
        far = signed(
            card(description="An android nurse on the moon colony counts the breaths of sleeping miners. " * 8)
        )
        assert fingerprints.similarity(one, near) >= fingerprints.ALIKE
        assert len(set(fingerprints.bands(one)) & set(fingerprints.bands(near))) >= 3
        assert not set(fingerprints.bands(one)) & set(fingerprints.bands(far))
        assert all(0 <= key < 2**63 for key in fingerprints.bands(one))


class TestQuarters:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(-(2**63), 2**63 - 1), st.sets(st.integers(0, 63), max_size=11))
    def test_pictures_that_differ_in_eleven_bits_agree_in_a_quarter_but_for_two(self, one, flipped):
        other = one ^ sum(1 << place for place in flipped)
        found = zip(fingerprints.quarters(one), fingerprints.quarters(other), strict=True)
        assert any(theirs in set(fingerprints.probes(mine)) for mine, theirs in found)

    def test_a_quarter_has_137_neighbours(self):
        assert len(fingerprints.probes(0xA5A5)) == 137


@pytest.fixture(scope="module")
def real_cards(samples):
    """The real cards by their path below the samples, with the bytes of those that are pictures."""
    found = {}
    for path in sorted((samples / "cards").rglob("*")) + sorted((samples / "tavernai" / "cards").rglob("*")):
        if path.suffix.lower() in {".png", ".json"}:
            try:
                read = read_card(path.read_bytes(), filename=path.name).card
            except CardError:
                continue
            if signed(read) is not None:
                found[str(path.relative_to(samples))] = (read, path.read_bytes() if path.suffix == ".png" else None)
    return found


def rewritten(original, chance):
    """The card as somebody passes it off as their own: renamed, one sentence in ten left out, words swapped, one added."""
    text = json.loads(json.dumps(original))
    data = text["data"]
    name = data.get("name") or "X"
    for field in ("description", "personality", "scenario", "first_mes", "mes_example"):
        value = data.get(field)
        if isinstance(value, str):
            kept = [piece for piece in value.replace(name, "Zephyrine").split(". ") if chance.random() > 0.1]
            data[field] = ". ".join(kept)
    data["name"] = "Zephyrine"
    data["description"] = f"{data.get('description', '')}\nShe never forgets a face."
    return text


class TestRealCards:
    def test_near_copies_are_found_and_other_cards_of_the_same_author_are_not(self, real_cards):
        chance = random.Random(26)
        cards = {path: read for path, (read, _data) in real_cards.items()}
        assert len(cards) >= 25
        copies = [(path, alike(read, rewritten(read, chance))) for path, read in cards.items()]
        recall = sum(score >= fingerprints.ALIKE for _path, score in copies) / len(copies)
        assert recall >= 0.95, [pair for pair in copies if pair[1] < fingerprints.ALIKE]
        found = [
            path
            for path, read in cards.items()
            if set(fingerprints.bands(signed(read))) & set(fingerprints.bands(signed(rewritten(read, chance))))
        ]
        assert len(found) / len(cards) >= 0.95, "the bands lead to a copy"
        # The same character in two repositories is a copy or an edition of it; all other pairs of one folder are not.
        alarms = [
            (one, other)
            for one, other in itertools.combinations(cards, 2)
            if one.rsplit("/", 1)[0] == other.rsplit("/", 1)[0]
            and (cards[one]["data"].get("name") != cards[other]["data"].get("name"))
            and alike(cards[one], cards[other]) >= fingerprints.NEAR_COPY
        ]
        assert alarms == []

    def test_the_editions_of_one_character_in_two_collections_are_found(self, real_cards):
        cards = {path: read for path, (read, _data) in real_cards.items()}
        pairs = [
            (one, other)
            for name in ("Aqua", "Darkness", "Megumin")
            for one, other in itertools.combinations([path for path in cards if path.endswith(f"{name}.png")], 2)
        ]
        assert len(pairs) == 3
        assert all(alike(cards[one], cards[other]) >= fingerprints.ALIKE for one, other in pairs), [
            (pair, alike(cards[pair[0]], cards[pair[1]])) for pair in pairs
        ]

    def test_pictures_cut_shrunk_and_saved_again_stay_near_and_others_far(self, real_cards):
        hashes, worst = {}, 0
        for path, (_read, data) in real_cards.items():
            if data is None:
                continue
            _header, picture = pixels.opened(data)
            if not pixels.difference_hash(picture):
                continue  # A plain colour, which is like every other one; nobody is told of it.
            hashes[path] = pixels.difference_hash(picture)
            smaller = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
            distance = (pixels.difference_hash(smaller) ^ hashes[path]).bit_count()
            worst = max(worst, distance)
        assert worst <= 6
        strangers = [
            (one, other)
            for one, other in itertools.combinations(hashes, 2)
            if one.rsplit("/", 1)[1] != other.rsplit("/", 1)[1]
            and ((hashes[one] ^ hashes[other]) & (2**64 - 1)).bit_count() <= 6
        ]
        assert strangers == []
