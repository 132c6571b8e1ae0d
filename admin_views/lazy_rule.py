"""Rules of addresses whose builders are compiled when the first address is built, and not all of them at the start."""

from collections.abc import Callable
from typing import TypeAlias

from werkzeug.routing import Rule

Builder: TypeAlias = Callable[..., tuple[str, str]]

_compiled: dict[tuple[object, ...], Builder] = {}
"""By what they are made of: applications of one process (tests make thousands) share them. As many as there are rules."""


class LazyRule(Rule):
    """A rule that matches at once, and compiles what builds its addresses at the first use.

    Werkzeug compiles two functions for each rule when it is bound: with some hundred rules, most of a start's time,
    for addresses of which a process may never build one.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Builder:  # noqa: FBT001, FBT002 - As the library has it.
        compiled = super()._compile_builder
        # What is compiled looks converters up in the rule that it is called with, and holds only its texts and defaults.
        kinds = map(type, self._converters.values())
        made_of = (*self._trace, *sorted((self.defaults or {}).items()), *kinds, append_unknown)

        def build(rule: "LazyRule", /, **values: object) -> tuple[str, str]:
            if made_of not in _compiled:
                _compiled[made_of] = compiled(append_unknown)
            builder: Builder = _compiled[made_of].__get__(rule, None)
            setattr(rule, "_build_unknown" if append_unknown else "_build", builder)
            return builder(**values)

        return build
