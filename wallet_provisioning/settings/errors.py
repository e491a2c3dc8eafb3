"""What is raised when the settings can't be used."""

from collections.abc import Iterable


class SettingsError(Exception):
    """The settings can't be used; each line names one and says what to change."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Take the lines, in the order in which the operator shall read them."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
