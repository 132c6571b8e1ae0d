"""Places in a card are named in the words of the editor, and never as a path of JSON."""

import pytest

from admin_views.market.labels import path_label


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("data.first_mes", "First greeting"),
        ("data.alternate_greetings[1]", "Alternate greetings 2"),
        ("data.creator", "Creator"),
        ("creator", "Creator"),
        ("listing.title", "Title of the listing"),
        ("listing.tags[0]", "Tags of the listing 1"),
        ("data.character_book.entries[3].content", "Lorebook 4: Text"),
        ("data.character_book.entries[3].keys[1]", "Lorebook 4: Keys 2"),
        ("extensions.greenroom.profile.language", "Language"),
        ("extensions.greenroom.replies[0].content", "Fallback replies 1"),
        ("studio.fallback_replies[2].language", "Fallback replies 3: Language"),
        ("data.extensions.depth_prompt.prompt", "Extensions: depth_prompt.prompt"),
        ("data.extensions.greenroom", "Extensions: greenroom"),
        ("data.of.nobody[2]", "of: nobody 3"),
        ("", "the whole"),
        ("]", "]"),
    ],
)
def test_a_place_is_named_as_people_know_it(app, path, label):
    with app.test_request_context():
        assert path_label(path) == label
