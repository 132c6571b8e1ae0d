from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.authoring.chat_settings import ContextSettings
from studio.authoring.comparing import Fate, Snapshot, _paired, compare

TEXTS = st.lists(st.text(alphabet="ab灯塔 ", max_size=8), max_size=12)


def snapshot(studio=None, portrait=None, **data):
    return Snapshot(card={"data": {"name": "A", **data}}, studio=studio or {}, portrait_id=portrait)


def fates(found, key):
    (change,) = [one for one in found.lists if one.key == key]
    return [(item.fate, item.title, item.place_before, item.place_after) for item in change.items]


def entry(number, **changes):
    return {"id": number, "keys": [f"key {number}"], "content": f"What {number} says.", "enabled": True, **changes}


class TestCompare:
    def test_finds_nothing_between_equals(self):
        one = snapshot(studio={"scenes": [{"title": "a"}]}, description="x" * 300, tags=["a"])
        assert compare(one, one).count == 0

    def test_names_texts_settings_and_the_portrait(self):
        before = snapshot(studio={"profile": {"tagline": "", "language": "en"}}, description="old")
        after = snapshot(studio={"profile": {"tagline": "new", "language": "zh"}}, portrait=1, description="new")
        found = compare(before, after)
        assert {change.key for change in found.texts} == {"description", "tagline"}
        assert [(change.key, change.before, change.after) for change in found.values] == [("language", "en", "zh")]
        assert found.is_portrait_changed
        assert found.count == 4

    def test_compares_what_nobody_here_knows_the_name_of(self):
        before = snapshot(studio={"later": {"depth": 4, "list": ["a"]}}, extensions={"other/app": {"x": [1]}})
        after = snapshot(studio={"later": {"depth": 5, "list": ["a", "b"]}}, extensions={"other/app": {"x": [1, 2]}})
        found = compare(before, after)
        assert [(change.key, change.before, change.after) for change in found.values] == [("later.depth", 4, 5)]
        assert {change.key for change in found.lists} == {"later.list", "extensions.other/app.x"}

    def test_takes_settings_that_nobody_chose_for_what_they_are_by_default(self):
        chosen = snapshot(studio={"context": {**asdict(ContextSettings()), "context_window": 33}})
        found = compare(snapshot(), chosen)
        assert [(one.key, one.before, one.after) for one in found.values] == [("context.context_window", 20, 33)]
        assert [(one.before, one.after) for one in compare(chosen, snapshot()).values] == [(33, 20)]

    def test_does_not_say_twice_what_our_own_extension_repeats(self):
        before, after = (
            snapshot(studio={"profile": {"tagline": word}}, extensions={"greenroom": {"profile": {"tagline": word}}})
            for word in ("old", "new")
        )
        assert [change.key for change in compare(before, after).texts] == ["tagline"]

    def test_tells_what_was_added_removed_moved_and_changed(self):
        before = snapshot(alternate_greetings=["one", "two", "the third greeting of all", "four"])
        after = snapshot(alternate_greetings=["four", "one", "the third greeting of them all", "five"])
        assert fates(compare(before, after), "alternate_greetings") == [
            (Fate.MOVED, "", 3, 0),
            (Fate.REMOVED, "", 1, None),
            (Fate.CHANGED, "", 2, 2),
            (Fate.ADDED, "", None, 3),
        ]

    def test_knows_an_entry_by_its_id_however_much_of_it_changed(self):
        before = snapshot(character_book={"entries": [entry(1), entry(2)], "scan_depth": 2})
        changed = entry(2, keys=["other"], content="Wholly new.", enabled=False)
        found = compare(before, snapshot(character_book={"entries": [entry(1), changed], "scan_depth": 3}))
        (item,) = found.lists[0].items
        assert (item.fate, item.place_before, item.place_after) == (Fate.CHANGED, 1, 1)
        assert {change.key for change in (*item.texts, *item.values)} == {"keys", "content", "enabled"}
        assert [change.key for change in found.values] == ["lorebook.scan_depth"]

    def test_knows_an_entry_without_an_id_by_its_title(self):
        def scenes(*pairs):
            return snapshot(studio={"scenes": [{"title": title, "stage_prompt": text} for title, text in pairs]})

        found = compare(scenes(("Dawn", "x"), ("Dusk", "y")), scenes(("Dusk", "other"), ("Dawn", "x")))
        changed = next(item for item in found.lists[0].items if item.title == "Dusk")
        assert [(change.key, change.before, change.after) for change in changed.values] == [
            ("stage_prompt", "y", "other")
        ]

    @given(TEXTS, TEXTS)
    def test_items_give_the_newer_list_from_the_older_one(self, old, new):
        found = compare(snapshot(group_only_greetings=old), snapshot(group_only_greetings=new))
        made = dict(enumerate(old))
        moved = {}
        for change in found.lists:
            for item in change.items:
                if item.place_before is not None:
                    text = made.pop(item.place_before)
                    if item.texts:
                        assert item.texts[0].before == text
                if item.place_after is not None:
                    moved[item.place_after] = new[item.place_after]
                    if item.texts:
                        assert item.texts[0].after == new[item.place_after]
        # What no change speaks of stays, in the order in which it stood.
        rest = [made[place] for place in sorted(made)]
        assert [text for place, text in enumerate(new) if place not in moved] == rest

    @given(TEXTS, TEXTS)
    def test_pairs_each_item_once(self, old, new):
        pairs = _paired(old, new)
        assert len({b for b, _ in pairs}) == len({a for _, a in pairs}) == len(pairs)

    @pytest.mark.parametrize("number", [400])
    def test_reads_four_hundred_entries_once(self, number):
        entries = [entry(n) for n in range(number)]
        rewritten = [{**one, "content": one["content"] + " More."} for one in reversed(entries)]
        found = compare(snapshot(character_book={"entries": entries}), snapshot(character_book={"entries": rewritten}))
        assert len(found.lists[0].items) == number
