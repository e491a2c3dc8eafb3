"""Ids that keep the text by which the store knows them.

An id comes from the database as a text and goes back as one many times. A plain UUID takes that text apart
and makes it anew each time it is asked, which was an eighth of what the busiest threads did. These keep it.
"""

from typing import Any
from uuid import UUID, SafeUUID


class TextId(UUID):
    """A UUID whose text costs nothing; `text_id` makes it. Equal to, and hashed as, any other UUID.

    A pickle or a copy of it is a plain UUID.
    """

    __slots__ = ("text",)

    text: str

    def __str__(self) -> str:
        """Return the text that was kept."""
        return self.text

    def __repr__(self) -> str:
        """Show it as any other id."""
        return f"UUID('{self.text}')"

    def __reduce__(self) -> tuple[type[UUID], tuple[str]]:
        """Be a plain UUID elsewhere."""
        return UUID, (self.text,)


def text_id(text: str) -> TextId:
    """Return the id of a text as the store writes it: 36 characters, in lower case.

    What is no number without its hyphens raises `ValueError`. For a text from outside use `UUID`.
    """
    made = _new(TextId)
    _set_int(made, int(text.replace("-", ""), 16))
    _set_safe(made, SafeUUID.unknown)
    _set_text(made, text)
    return made


# A UUID refuses assignments; its slots themselves take them.
_new = object.__new__
_set_int: Any = vars(UUID)["int"].__set__
_set_safe: Any = vars(UUID)["is_safe"].__set__
_set_text: Any = vars(TextId)["text"].__set__
