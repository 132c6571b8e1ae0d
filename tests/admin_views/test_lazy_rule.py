"""Addresses that are built by rules which compile at the first use."""

import pytest
from werkzeug.routing import BaseConverter, Map, RequestRedirect, Rule

from admin_views.lazy_rule import LazyRule

RULES = (
    ("/", "home", {}),
    ("/stories/<uuid:story_id>/<int:page>", "story", {}),
    ("/files/<path:name>", "file", {}),
    ("/lists/", "list", {"defaults": {"page": 1}}),
    ("/lists/<int:page>", "list", {}),
)
ASKED = (
    ("home", {}),
    ("home", {"q": "a b", "tag": ["x", "独孤"]}),
    ("story", {"story_id": "0197a2d4-0000-7000-8000-000000000001", "page": 3}),
    ("story", {"story_id": "0197a2d4-0000-7000-8000-000000000001", "page": 3, "rule": "?&#"}),
    ("file", {"name": "a/b c?d"}),
    ("list", {"page": 1}),
    ("list", {"page": 2, "self": "mine"}),
)


class Up(BaseConverter):
    def to_url(self, value):
        return value.upper()


class Down(BaseConverter):
    def to_url(self, value):
        return value.lower()


def addresses(kind):
    return Map([kind(rule, endpoint=endpoint, **more) for rule, endpoint, more in RULES]).bind("studio.example")


@pytest.mark.parametrize(("endpoint", "values"), ASKED)
def test_an_address_is_what_the_librarys_rules_make_of_it_each_time(endpoint, values):
    lazy, eager = addresses(LazyRule), addresses(Rule)
    wanted = eager.build(endpoint, values)
    assert [lazy.build(endpoint, values) for _ in range(3)] == [wanted] * 3
    assert lazy.build(endpoint, values, append_unknown=False) == eager.build(endpoint, values, append_unknown=False)


def test_a_value_that_does_not_fit_is_refused_as_the_library_does():
    for kind in (LazyRule, Rule):
        with pytest.raises(Exception, match="Could not build url"):
            addresses(kind).build("story", {"story_id": "0197a2d4-0000-7000-8000-000000000001"})


def test_two_maps_with_the_same_rules_keep_their_own_converters():
    one, other = (Map([LazyRule("/<x:a>", endpoint="e")], converters={"x": kind}) for kind in (Up, Down))
    assert one.bind("a.example").build("e", {"a": "Mix"}) == "/MIX"
    assert other.bind("a.example").build("e", {"a": "Mix"}) == "/mix"


def test_what_has_its_own_shorter_address_is_sent_there():
    with pytest.raises(RequestRedirect, match="/lists/"):
        addresses(LazyRule).match("/lists/1")


def test_nothing_is_compiled_before_it_is_asked_for(app):
    rules = list(app.url_map.iter_rules())
    assert len(rules) > 100
    assert all(rule._build.__func__.__name__ == "build" for rule in rules if rule.rule != "/static/<path:filename>")
