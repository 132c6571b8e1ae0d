"""The models that the editor offers."""

from studio.authoring import chat_settings
from studio.authoring.models.limits import CONTEXT_TOKENS


class TestModels:
    def test_are_those_of_the_list_changed_by_the_settings(self):
        known = {one.name: one.tokens for one in chat_settings.models({})}
        assert all(tokens in CONTEXT_TOKENS for tokens in known.values())
        changed = chat_settings.models({"qwen3:8b": 40_960, "gpt-4o": 64_000, "gpt-4o-mini": 0})
        assert (changed[0].name, changed[0].tokens) == ("qwen3:8b", 40_960)
        named = {one.name: one.tokens for one in changed}
        assert named.keys() == {*known, "qwen3:8b"} - {"gpt-4o-mini"}
        assert named["gpt-4o"] == 64_000
