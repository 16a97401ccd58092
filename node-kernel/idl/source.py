"""Where a piece of an interface file came from, and the errors that name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    path: str
    line: int

    def __str__(self):
        return f"{self.path}:{self.line}"


class IdlError(Exception):
    """A rule was broken. str() is `file:line: error: text`, the form editors jump to."""

    def __init__(self, place, text):
        super().__init__(f"{place}: error: {text}")
