"""What a caption is: its text, and what it says by the grammar of its world."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Caption:
    """A prompt made by a world's grammar.

    named: the value that it asks for, per attribute named. overruled: a second value that it also asks for, or one that could not
    be seen, which the world's stated rule sets aside.
    """

    text: str
    named: dict[str, str]
    overruled: dict[str, str] = field(default_factory=dict)
