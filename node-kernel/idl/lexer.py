"""Tokens of an interface file. Comments directly above a declaration are its documentation."""

import re
from dataclasses import dataclass, field

from source import IdlError, Place

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+)|(?P<newline>\n)|(?P<comment>//[^\n]*)
      |(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>0[xX][0-9a-fA-F]+|[0-9]+)
      |(?P<string>"[^"\n]*")|(?P<mark>->|<<|[{}()\[\]<>,;:=.&*|-])""",
    re.VERBOSE,
)


@dataclass
class Token:
    kind: str  # name, number, string, mark, end
    text: str
    place: Place
    doc: list = field(default_factory=list)  # comment lines directly above


def tokenize(path, text):
    tokens, doc = [], []
    line, position, line_has_code = 1, 0, False
    blank = True  # nothing but white space on this line so far
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise IdlError(Place(path, line), f"unexpected character {text[position]!r}")
        kind, piece = match.lastgroup, match.group()
        position = match.end()
        if kind == "newline":
            if blank:
                doc = []  # an empty line cuts a comment off from what follows
            line, blank, line_has_code = line + 1, True, False
        elif kind == "comment":
            blank = False
            if not line_has_code:
                doc.append(piece[2:].strip())
        elif kind != "space":
            blank, line_has_code = False, True
            tokens.append(Token(kind, piece, Place(path, line), doc))
            doc = []
    tokens.append(Token("end", "end of file", Place(path, line), []))
    return tokens
