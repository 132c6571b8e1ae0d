"""Whatever the bytes: a reading or a refusal in a sentence, and a reading that can be written and read again."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.cards.documents import canonical, parse_json, storable
from studio.cards.editing import apply_edits, editable
from studio.cards.formats.base import V3_KEYS
from studio.cards.lorebooks import BOOK_KEYS, ENTRY_KEYS
from studio.cards.normalise import ASSET_KEYS, normalise
from studio.cards.notes import Notebook
from studio.cards.reader import read_card
from studio.cards.views import embedding_text, text_strings
from studio.cards.writer import write_card
from studio.kit.errors import StudioError
from tests.cards import builders as make

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SEEDS = [
    make.png_file(make.chara(make.v2_document()), make.chara(make.v3_document(), "ccv3")),
    make.png_file(make.packed_text("chara", make.as_json(make.v1_document()))),
    make.charx(make.v3_document(), {"assets/icon/images/main.png": make.picture("PNG")}),
    make.picture("JPEG") + make.charx(make.v3_document()),
    make.webp_card(make.v1_document()),
    make.webp_card(make.v1_document(), spelling="bytes", order=">"),
    make.as_json(make.v3_document()),
]


@st.composite
def damaged_files(draw):
    """A good file with some bytes overwritten, cut out or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["overwrite", "cut", "double", "insert"])):
            case "overwrite":
                patch = draw(st.binary(min_size=1, max_size=8))
                data[place : place + len(patch)] = patch
            case "cut":
                del data[place : place + draw(st.integers(1, 64))]
            case "double":
                data[place:place] = data[place : place + draw(st.integers(1, 64))]
            case _:
                data[place:place] = draw(st.binary(min_size=1, max_size=16))
    return bytes(data)


texts = st.text(max_size=6) | st.sampled_from(
    ["@@depth 4\nx", "0", "1e999", "NaN", "true", "embeded://a", "ccdefault:"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(st.sampled_from([*sorted(ENTRY_KEYS), "key", "disable", "order"]), inner, max_size=5)
        | st.dictionaries(st.sampled_from(sorted(BOOK_KEYS)), inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(ASSET_KEYS)), inner, max_size=4)
        | st.fixed_dictionaries({"greenroom": st.fixed_dictionaries({}, optional={"v3": inner, "icon": inner})})
    ),
    max_leaves=12,
)
odd_data = st.dictionaries(st.sampled_from(V3_KEYS), anything, max_size=8)
odd_documents = st.builds(
    lambda spec, version, data, root: root | {"spec": spec, "spec_version": version, "data": data},
    st.sampled_from(["chara_card_v2", "chara_card_v3", "Chara_Card_V3\u200b", "chara_card_v9"]),
    anything,
    odd_data | anything,
    st.dictionaries(st.sampled_from([*V3_KEYS, "creatorcomment", "chat"]), anything, max_size=4),
)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def read_or_refusal(data):
    """The reading, or the sentence of the refusal; any other exception is the failure looked for."""
    try:
        return read_card(data)
    except StudioError as refusal:
        return str(refusal)


class TestReadCard:
    @quick
    @given(data=st.binary(max_size=400) | damaged_files())
    def test_reads_or_refuses_any_bytes(self, data):
        outcome = read_or_refusal(data)
        if isinstance(outcome, str):
            assert "%(" not in outcome
        else:
            assert normalise(outcome.raw).card == outcome.card
            report = [(note.path, note.text) for note in outcome.repairs + outcome.warnings]
            assert storable([report, outcome.kept, outcome.raw]) == [
                [list(line) for line in report],
                list(outcome.kept),
                outcome.raw,
            ]

    @quick
    @given(
        document=odd_documents, to=st.sampled_from(["v1", "v2", "v3"]), as_=st.sampled_from(["png", "json", "charx"])
    )
    def test_puts_right_any_values_under_the_known_keys(self, document, to, as_):
        document = storable(document)
        reading = read_card(make.as_json(document))
        assert reading.raw == document
        notes = Notebook()
        assert normalise(reading.card, notes).card == reading.card
        assert notes.repairs == ()
        made = write_card(reading, to=to, as_=as_, now=NOW)
        again = read_card(made.data)
        if to != "v1":
            assert again.content_hash == reading.content_hash
        assert apply_edits(reading.raw, editable(reading.raw)) == reading.raw
        assert isinstance(embedding_text(reading.raw), str)

    @quick
    @given(document=st.dictionaries(texts, anything, max_size=5))
    def test_refuses_or_reads_any_object(self, document):
        document = storable(document)
        outcome = read_or_refusal(make.as_json(document))
        assert not isinstance(outcome, str) or "%(" not in outcome


class TestTextStrings:
    @quick
    @given(document=anything)
    def test_finds_every_string(self, document):
        document = storable({"root": document})
        found = [text for _, text in text_strings(document)]
        assert found == list(strings_in(document))


class TestCanonical:
    @quick
    @given(value=anything)
    def test_survives_parsing(self, value):
        packed = canonical(storable(value))
        assert canonical(parse_json(packed, Notebook())) == packed


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
