"""What a chat calls up in a lorebook: each rule in an example, and what holds for every book and chat."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.cards.lore_entries import NotSimulated, Place, PlaceKind
from studio.cards.lore_keys import read_key
from studio.cards.lore_matching import Cause, Dropped, HitKind, Limit, Message, Situation, scan
from studio.cards.lore_search import Corpus, Meter
from tests.cards.lore import book, entry, kept, look, missing, words


def test_a_key_in_the_last_messages_fires_and_says_where_it_stands():
    found = look(book(entry(["Dragon"])), "assistant: Hello.", "I saw a dragon there.")
    (outcome,) = found.kept
    (hit,) = outcome.hits
    assert (outcome.cause, hit.kind, hit.key) == (Cause.KEY, HitKind.KEY, "Dragon")
    assert (hit.message, "I saw a dragon there."[hit.start : hit.end]) == (1, "dragon")


def test_a_key_beyond_the_scan_depth_is_a_near_miss():
    found = look(book(entry(["dragon"]), scan_depth=1), "A dragon!", "assistant: Where?")
    assert (kept(found), missing(found, 0)) == ([], ["depth"])
    assert found.missed[0].hits[0].message == 0
    assert kept(look(book(entry(["dragon"]), scan_depth=1), "A dragon!", "assistant: Where?", scan_depth=2)) == [0]


def test_an_entrys_own_depth_goes_before_the_books():
    deep = entry(["dragon"], extensions={"scan_depth": 3})
    decorated = entry(["dragon"], "@@scan_depth 1\ntext", extensions={"scan_depth": 3})
    found = look(book(deep, decorated, scan_depth=1), "A dragon!", "assistant: Where?", "There.")
    assert kept(found) == [0]


def test_what_is_off_never_fires_and_a_constant_needs_no_key():
    off = entry(["dragon"], "@@activate\ntext", enabled=False, constant=True)
    found = look(book(off, entry(constant=True)), "A dragon!")
    assert (kept(found), missing(found, 0)) == ([1], ["off"])
    assert found.kept[0].cause is Cause.CONSTANT


@pytest.mark.parametrize(
    ("logic", "said", "fires"),
    [
        (0, "dragon", False),
        (0, "dragon fire", True),
        (1, "dragon fire", True),
        (1, "dragon fire gold", False),
        (2, "dragon", True),
        (2, "dragon gold", False),
        (3, "dragon fire", False),
        (3, "dragon fire gold", True),
    ],
)
def test_secondary_keys_ask_for_any_not_all_not_any_or_all(logic, said, fires):
    selective = entry(["dragon"], selective=True, secondary_keys=["fire", "gold"], extensions={"selectiveLogic": logic})
    found = look(book(selective), said)
    assert kept(found) == ([0] if fires else [])
    assert missing(found, 0) == ([] if fires else ["secondary"])


def test_secondary_keys_of_an_entry_that_is_not_selective_mean_nothing():
    assert kept(look(book(entry(["dragon"], secondary_keys=["fire"])), "dragon")) == [0]


def test_letters_count_only_where_the_entry_says_so():
    found = look(book(entry(["Dragon"]), entry(["Dragon"], case_sensitive=True)), "a dragon")
    assert kept(found) == [0]


def test_whole_words_have_edges_except_in_scripts_without_spaces():
    whole = {"extensions": {"match_whole_words": True}}
    a_book = book(entry(["art"], **whole), entry(["龙"], **whole), entry(["art"]))
    assert kept(look(a_book, "a party for the 恐龙们")) == [1, 2]
    assert kept(look(a_book, "of party and art!")) == [0, 2]


def test_a_position_is_right_behind_letters_that_grow_when_lowered():
    found = look(book(entry(["dragon"])), "İİİ dragon")
    hit = found.kept[0].hits[0]
    assert "İİİ dragon"[hit.start : hit.end] == "dragon"


def test_names_stand_in_keys_and_texts():
    found = look(book(entry(["{{user}}"], "{{char}} knows <USER>.")), "my name is sam")
    assert found.kept[0].text == "Aria knows Sam."


def test_a_text_calls_up_others_only_with_recursion():
    chain = (entry(["a1"], "b1"), entry(["b1"], "c1"), entry(["c1"], "d1"))
    assert kept(look(book(*chain), "a1")) == [0]
    found = look(book(*chain, recursive_scanning=True), "a1")
    assert kept(found) == [0, 1, 2]
    assert [outcome.cause for outcome in found.kept] == [Cause.KEY, Cause.RECURSION, Cause.RECURSION]
    assert found.kept[2].hits[0].entry == 1
    assert kept(look(book(*chain, recursive_scanning=True), "a1", recursive=False)) == [0]


def test_entries_may_keep_out_of_recursion_or_wait_for_it():
    a_book = book(
        entry(["a1"], "b1"),
        entry(["b1"], extensions={"exclude_recursion": True}),
        entry(["a1"], extensions={"delay_until_recursion": True}),
        entry(["a2"], "b1", extensions={"prevent_recursion": True}),
        recursive_scanning=True,
    )
    found = look(a_book, "a1")
    assert (kept(found), missing(found, 1)) == ([0, 2], ["called_only"])
    assert kept(look(a_book, "a2")) == [3]
    assert missing(look(a_book, "a1", recursive=False), 2) == ["recursion"]


def test_hidden_keys_call_and_comments_do_not():
    a_book = book(
        entry(["a1"], "{{hidden_key:b1}}{{// c1}}seen"), entry(["b1"]), entry(["c1"]), recursive_scanning=True
    )
    found = look(a_book, "a1")
    assert (kept(found), found.kept[0].text) == ([0, 1], "seen")


def test_a_key_is_a_pattern_only_when_written_so_and_allowed():
    a_book = book(
        entry(["/drag(on|oon)s?/i"], use_regex=True),
        entry(["/drag(on|oon)s?/i"]),
        entry(["drag(on)"], use_regex=True),
        entry([r"/\u9f99\s+\d+$/"], use_regex=True),
    )
    found = look(a_book, "DRAGOONS and 龙\u300012")
    assert kept(found) == [0, 3]
    hit = found.kept[1].hits[0]
    assert (hit.start, hit.end) == (13, 17)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("/(?<=a)b/", "looks_around"),
        ("/(?!b)a/", "looks_around"),
        (r"/(a)\1/", "refers_back"),
        (r"/(?<x>a)\k<x>/", "refers_back"),
        ("/(a/", "invalid"),
        ("/[]/", "invalid"),
        ("/a{1000}b{1000}c{1000}d{1000}/", "too_large"),
        (f"/{'a' * 1001}/", "too_large"),
    ],
)
def test_a_pattern_that_cannot_run_is_named_and_never_matches(key, problem):
    found = look(book(entry([key, "plain"], use_regex=True)), "ab (a aa")
    assert (kept(found), [(bad.entry, bad.problem) for bad in found.bad_keys]) == ([], [(0, problem)])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("/(?<year>\\d{4})/", "in 1984"),
        ("/[^]b/", "a\nb"),
        ("/[[]x/", "[x"),
        ("/a.b/s", "a\nb"),
        ("/^b/m", "a\nb"),
        (r"/a\/b/", "a/b"),
        (r"/[\s]x/", "\u3000x"),
        (r"/\uD83D\uDE00/", "😀"),
        (r"/\u{1F600}/u", "😀"),
        (r"/\p{L}\x41/u", "éA"),
        (r"/\Az\-/", "Az-"),
    ],
)
def test_javascripts_patterns_mean_what_they_mean_there(key, text):
    assert kept(look(book(entry([key], use_regex=True)), text)) == [0]


def test_patterns_that_would_stall_others_come_to_an_end():
    evil = ["/(a+)+$/", "/(a|a)*b/", "/(.*a){20}b/", r"/^(\w+\s?)*$/", "/a.{100}b.{100}$/"]
    # Python's own engine would need longer than anybody lives.
    found = look(book(*(entry([key], use_regex=True) for key in evil)), "a" * 100_000 + "!")
    assert (found.bad_keys, found.warnings) == ((), ())


def test_decorators_decide_when_an_entry_may_fire():
    a_book = book(
        *(
            entry(["dragon"], f"@@{line}\ntext")
            for line in (
                "activate_only_after 2",
                "activate_only_every 2",
                "is_greeting 1",
                "exclude_keys gold, silver",
                "additional_keys fire,ice",
                "dont_activate",
                "dont_activate\n@@activate",
                "is_user_icon Sam",
            )
        )
    )
    found = look(a_book, "dragon", greeting=0)
    assert (kept(found), missing(found, 0), missing(found, 5)) == ([1, 3, 6], ["too_early"], ["never"])
    told = look(a_book, "assistant: fire", "dragon, gold!", greeting=1, user_icon="Sam", assistant_messages=3)
    assert (kept(told), missing(told, 3)) == ([0, 2, 4, 6, 7], ["excluded"])


def test_a_fallback_counts_where_the_line_above_is_not_understood():
    content = "@@new_thing 1\n@@@depth x\n@@@depth 3\n@@role user\n@@role system\n\nText\n@@depth 9"
    (outcome,) = (found := look(book(entry(["a"], content)), "a")).kept
    assert (outcome.place, outcome.text) == (Place(PlaceKind.AT_DEPTH, 3, "user"), "Text\n@@depth 9")
    assert [bad.line for bad in found.bad_decorators] == ["@@new_thing 1", "@@@depth x"]


def test_an_entry_may_stay_on_or_off_after_its_first_match():
    a_book = book(
        entry(["dragon"], "@@keep_activate_after_match\ntext"),
        entry(["dragon"], "@@dont_activate_after_match\ntext"),
        scan_depth=1,
    )
    assert kept(look(a_book, "dragon")) == [0, 1]
    later = look(a_book, "dragon", "assistant: where?", "there")
    assert ([o.cause for o in later.kept], missing(later, 1)) == ([Cause.STILL_ON], ["depth", "matched_before"])
    assert missing(look(a_book, "dragon", "assistant: where?", "dragon"), 1) == ["matched_before"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, Place(PlaceKind.BEFORE_CHAR)),
        ({"position": "after_char"}, Place(PlaceKind.AFTER_CHAR)),
        (
            {"position": "after_char", "extensions": {"position": 4, "depth": 2, "role": 1}},
            Place(PlaceKind.AT_DEPTH, 2, "user"),
        ),
        ({"extensions": {"position": 4}}, Place(PlaceKind.AT_DEPTH, 4)),
        ({"extensions": {"position": 7, "outlet_name": "x"}}, Place(PlaceKind.OUTLET, outlet="x")),
        ({"content": "@@depth 0\n@@role assistant\nx"}, Place(PlaceKind.AT_DEPTH, 0, "assistant")),
        ({"content": "@@reverse_depth 1\nx"}, Place(PlaceKind.FROM_START, 1)),
        ({"content": "@@depth 1\n@@position scenario\nx"}, Place(PlaceKind.SCENARIO)),
    ],
)
def test_decorators_go_before_extensions_and_those_before_the_position(changes, place):
    found = look(book(entry(constant=True, **changes)), "a")
    assert found.kept[0].place == place
    assert list(found.at(place.kind)) == list(found.kept)


def test_chance_is_thrown_once_by_the_seed_and_shown():
    often = book(*(entry(["a"], extensions={"probability": 50, "useProbability": True}) for _ in range(40)))
    first = look(often, "a", seed=1)
    assert 0 < len(first.kept) < 40
    assert kept(look(often, "a", "a", seed=1)) == kept(first) != kept(look(often, "a", seed=2))
    assert {tuple(outcome.missing) for outcome in first.missed} == {("chance",)}
    unused = book(entry(["a"], extensions={"probability": 0, "useProbability": False}))
    assert kept(look(unused, "a")) == [0]


def test_what_is_not_simulated_is_named_and_a_delay_counts_messages():
    extensions = {"sticky": 2, "cooldown": 1, "group": "g", "delay": 3, "vectorized": True}
    a_book = book(entry(["a"], extensions=extensions))
    assert missing(look(a_book, "a"), 0) == ["delay"]
    outcome = look(a_book, "a", "b", "a").kept[0]
    assert outcome.not_simulated == (
        NotSimulated.STICKY,
        NotSimulated.COOLDOWN,
        NotSimulated.GROUP,
        NotSimulated.BY_MEANING,
    )


def test_the_budget_drops_what_yields_then_what_counts_least():
    a_book = book(
        entry(["a"], "one two", insertion_order=1, priority=5),
        entry(["a"], "@@ignore_on_max_context\none two", insertion_order=2, priority=9),
        entry(["a"], "one two", insertion_order=3, priority=1),
        entry(["a"], "one two three four five", insertion_order=4),
        entry(["a"], "free of cost", insertion_order=5, extensions={"ignore_budget": True}),
        token_budget=4,
    )
    found = look(a_book, "a")
    assert [(o.index, o.dropped) for o in found.dropped] == [(3, Dropped.TOO_LARGE), (1, Dropped.YIELDS)]
    assert ([(o.index, o.total) for o in found.kept], found.spent) == ([(0, 2), (2, 4), (4, 4)], 4)
    assert [o.index for o in look(a_book, "a", token_budget=2).dropped] == [3, 1, 2]
    assert kept(look(a_book, "a", token_budget=100)) == [0, 1, 2, 3, 4]


def test_an_entry_may_switch_off_a_prompt_of_the_application():
    found = look(book(entry(["a"], "@@disable_ui_prompt system_prompt\nx")), "a")
    assert found.switched_off == {"system_prompt"}


def test_long_chats_are_read_from_their_newest_end():
    old = Message("user", "dragon " + "x" * 150_000)
    new = Message("user", "y" * 100_000 + " phoenix")
    a_book = book(entry(["dragon"]), entry(["phoenix"]), scan_depth=9)
    found = scan(a_book, Situation([old, new], char="A", user="B", tokens=words, near_misses=True))
    assert (kept(found), found.warnings) == ([1], (Limit.OLD_MESSAGES,))
    assert found.kept[0].hits[0].start == 100_001


def test_too_much_work_is_left_out_and_said():
    found = look(book(entry([f"{'x' * 2_000}{number}" for number in range(6_000)])), "x" * 200_000)
    assert found.warnings == (Limit.WORK,)
    assert look(book(entry([f"x{number}" for number in range(20_001)])), "x").warnings == (Limit.KEYS,)


def test_messages_do_not_run_into_each_other():
    a_book = book(entry(["ab"]), entry(["/a[^]b/"], use_regex=True), entry(["/^b$/"], use_regex=True))
    assert kept(look(a_book, "a", "b")) == [2]


_WORDS = ("ash", "birch", "cedar", "dogwood", "elm", "fir")
_TEXTS = st.lists(st.sampled_from(_WORDS), max_size=6).map(" ".join)
_KEYS = st.lists(st.sampled_from((*_WORDS, "/b.r/i", "/(e|c)/")), max_size=3)
_ENTRIES = st.builds(
    entry,
    _KEYS,
    _TEXTS,
    enabled=st.booleans(),
    constant=st.booleans(),
    use_regex=st.booleans(),
    insertion_order=st.integers(-5, 5),
    priority=st.integers(-5, 5),
    selective=st.booleans(),
    secondary_keys=_KEYS,
    extensions=st.fixed_dictionaries(
        {}, optional={"probability": st.integers(0, 100), "delay_until_recursion": st.booleans()}
    ),
)
_BOOKS = st.lists(_ENTRIES, max_size=12).map(lambda entries: book(*entries))
_CHATS = st.lists(_TEXTS, max_size=6)


@settings(deadline=None)
@given(_BOOKS, _CHATS, st.booleans(), st.none() | st.integers(0, 20), st.integers(0, 6))
def test_what_holds_for_every_book_and_chat(a_book, lines, recursive, budget, depth):
    found = look(a_book, *lines, recursive=recursive, token_budget=budget, scan_depth=depth)
    entries = a_book["entries"]
    fired = {outcome.index for outcome in (*found.kept, *found.dropped)}
    assert all(entries[index]["enabled"] for index in fired)
    assert fired >= {
        index
        for index, item in enumerate(entries)
        if item["enabled"]
        and item["constant"]
        and not item["extensions"].get("delay_until_recursion")
        and item["extensions"].get("probability", 100) == 100
    }
    assert [(o.order, o.index) for o in found.kept] == sorted((o.order, o.index) for o in found.kept)
    assert found.spent == sum(outcome.tokens for outcome in found.kept)
    assert budget is None or found.spent <= budget
    assert budget is not None or not found.dropped
    assert not fired & {outcome.index for outcome in found.missed}
    assert not found.warnings
    quiet = look(a_book, *lines, recursive=recursive, token_budget=budget, scan_depth=depth, near_misses=False)
    assert (kept(quiet), quiet.spent) == (kept(found), found.spent)


@settings(deadline=None)
@given(_BOOKS, _CHATS, _TEXTS, st.booleans())
def test_one_more_message_silences_nothing_while_all_are_looked_through(a_book, lines, added, recursive):
    before = look(a_book, *lines, recursive=recursive, scan_depth=99)
    after = look(a_book, *lines, added, recursive=recursive, scan_depth=99)
    assert set(kept(before)) <= set(kept(after))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(("Ash", "birch tree", "龙", "x" * 30, "İz", "é", "no such")), max_size=7, unique=True))
def test_one_pass_for_all_literals_finds_what_looking_for_each_finds(words_of_keys):
    rest = [f"none{number}" for number in range(50)]
    keys = [read_key(word, may_be_pattern=False) for word in (*words_of_keys, *rest)]
    corpus = Corpus(["an ash and a birch TREE, 龙", "İZ É " + "x" * 50_000], [0, 1])
    standing = corpus.that_stand(keys, Meter())
    assert len(standing) <= len(words_of_keys)
    assert {key for key in keys if corpus.spans(key, Meter())} == standing
