"""Recursive descent over the grammar in README.md; imports are read as they are met."""

import os

from lexer import tokenize
from model import (SCALARS, Constant, Enum, Field, File, Interface, Method, Native, Param, Struct,
                   Type)
from source import IdlError, Place


class Loader:
    """Finds, parses and remembers files, so that a file imported twice is one object."""

    def __init__(self, search):
        self.search = search
        self.files = {}
        self.open = []  # being parsed: detects cycles

    def load(self, path, from_place=None):
        real = os.path.realpath(path)
        if real in self.open:
            raise IdlError(from_place, f"import cycle through {path}")
        if real not in self.files:
            try:
                with open(path, encoding="utf-8") as stream:
                    text = stream.read()
            except OSError as error:
                raise IdlError(from_place or Place(path, 1), f"cannot read {path}: {error.strerror}")
            self.open.append(real)
            self.files[real] = Parser(self, path, text).file()
            self.open.pop()
        return self.files[real]

    def find(self, name, place):
        for folder in self.search:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                return self.load(path, place)
        raise IdlError(place, f'no file "{name}" in {", ".join(self.search)}')


class Parser:
    def __init__(self, loader, path, text):
        self.loader, self.path = loader, path
        self.tokens, self.at = tokenize(path, text), 0

    # -- tokens ---------------------------------------------------------------------------------
    @property
    def token(self):
        return self.tokens[self.at]

    def error(self, text):
        raise IdlError(self.token.place, text)

    def take(self):
        token = self.token
        self.at += 1
        return token

    def accept(self, text):
        if self.token.text == text and self.token.kind in ("mark", "name"):
            return self.take()
        return None

    def expect(self, text):
        return self.accept(text) or self.error(f"expected '{text}', found '{self.token.text}'")

    def name(self, what):
        if self.token.kind != "name":
            self.error(f"expected {what}, found '{self.token.text}'")
        return self.take()

    def qualified(self, what):
        text = self.name(what).text
        while self.accept("."):
            text += "." + self.name(what).text
        return text

    def string(self):
        if self.token.kind != "string":
            self.error(f'expected "a file name", found \'{self.token.text}\'')
        return self.take().text[1:-1]

    def number(self):
        """number | constant, joined by '<<' or '|'."""
        value = self._number_term()
        while self.token.text in ("<<", "|"):
            operator = self.take().text
            right = self._number_term()
            value = value << right if operator == "<<" else value | right
        return value

    def _number_term(self):
        negative = bool(self.accept("-"))
        if self.token.kind == "number":
            value = int(self.take().text, 0)
            return -value if negative else value
        if self.token.kind == "name":
            for file in [self.result] + self.result.imports:
                for constant in file.constants:
                    if constant.name == self.token.text:
                        self.take()
                        return constant.value
        return self.error(f"expected a number or a constant, found '{self.token.text}'")

    # -- declarations ---------------------------------------------------------------------------
    def file(self):
        start = self.expect("module")
        module = self.name("the module's name").text
        self.expect(";")
        folder = os.path.basename(os.path.dirname(os.path.abspath(self.path)))
        if folder != module:
            raise IdlError(start.place, f"module {module} lives in folder {folder}")
        stem = os.path.splitext(os.path.basename(self.path))[0]
        self.result = File(self.path, module, stem, start.doc)
        readers = {"import": self.import_file, "const": self.constant, "enum": self.enum,
                   "struct": self.struct, "native": self.native, "interface": self.interface}
        while self.token.kind != "end":
            reader = readers.get(self.token.text)
            if not reader:
                self.error(f"expected one of {', '.join(readers)}, found '{self.token.text}'")
            reader()
        return self.result

    def import_file(self):
        place = self.take().place
        self.result.imports.append(self.loader.find(self.string(), place))
        self.expect(";")

    def constant(self):
        start = self.take()
        scalar = self.scalar_name()
        name = self.name("the constant's name").text
        self.expect("=")
        self.result.constants.append(Constant(name, scalar, self.number(), start.doc, start.place))
        self.expect(";")

    def scalar_name(self):
        if self.token.text not in SCALARS:
            self.error(f"expected a scalar type ({', '.join(SCALARS)}), found '{self.token.text}'")
        return self.take().text

    def enum(self):
        start = self.take()
        name = self.name("the enum's name").text
        self.expect(":")
        underlying = self.scalar_name()
        self.expect("{")
        values = []
        while not self.accept("}"):
            item = self.name("an enumerator")
            self.expect("=")
            values.append((item.text, self.number(), item.doc))
            if not self.accept(","):
                self.expect("}")
                break
        self.accept(";")
        self.result.enums.append(
            Enum(name, underlying, values, start.doc, start.place, self.result.module))

    def struct(self):
        start = self.take()
        name = self.name("the struct's name").text
        self.expect("{")
        fields = []
        while not self.accept("}"):
            first = self.token
            kind = self.type()
            member = self.name("the field's name")
            count = 0
            if self.accept("["):
                count = self.number()
                self.expect("]")
                if count < 1:
                    raise IdlError(first.place, f"array {member.text} needs at least one element")
            self.expect(";")
            fields.append(Field(kind, member.text, count, first.doc, first.place))
        self.accept(";")
        self.result.structs.append(
            Struct(name, fields, start.doc, start.place, self.result.module))

    def native(self):
        start = self.take()
        name = self.name("a C++ type's name").text
        while self.accept(":"):
            self.expect(":")
            name += "::" + self.name("a C++ type's name").text
        self.expect("from")
        header = self.string()
        self.expect(";")
        self.result.natives.append(Native(name, header, start.place, self.result.module))

    def interface(self):
        start = self.take()
        name = self.name("the interface's name").text
        base = self.qualified("the base interface") if self.accept(":") else ""
        if self.token.text == ",":
            self.error("an interface has at most one base (it must sit at offset 0)")
        attributes = self.attributes({"global": 0, "local": 0, "own": 0, "version": 1})
        self.expect("{")
        methods = []
        while not self.accept("}"):
            methods.append(self.method())
        self.accept(";")
        self.result.interfaces.append(Interface(
            name, base, None, methods, "global" in attributes, "local" in attributes,
            "own" in attributes, attributes.get("version", [1])[0], start.doc, start.place, self.result.module,
            self.result))

    def method(self):
        start = self.name("a method's name")
        self.expect("(")
        params = []
        while not self.accept(")"):
            params.append(self.param())
            if not self.accept(","):
                self.expect(")")
                break
        result = self.type() if self.accept("->") else None
        attributes = self.attributes({"rights": -1, "blocking": 0, "caller": 0, "local": 0})
        self.expect(";")
        return Method(start.text, params, result, attributes.get("rights", []),
                      "blocking" in attributes, "caller" in attributes, "local" in attributes,
                      start.doc, start.place)

    def param(self):
        place = self.token.place
        direction = "in"
        if self.token.text in ("in", "out"):
            direction = self.take().text
        optional = bool(self.accept("optional"))
        kind = self.type()
        return Param(direction, optional, kind, self.name("the parameter's name").text, place)

    def type(self):
        place = self.token.place
        const = bool(self.accept("const"))
        text = self.qualified("a type")
        if text in SCALARS:
            result = Type("scalar", text, place)
        elif text in ("in_buffer", "out_buffer"):
            if not self.accept("<"):
                self.error(f"{text} needs its limit: {text}<4096>")
            result = Type(text, text, place, limit=self.number())
            self.expect(">")
        elif text == "ref":
            self.expect("<")
            result = Type("ref", self.qualified("an interface"), place)
            self.expect(">")
        elif text in ("object", "ticket"):
            result = Type(text, text, place)
        else:
            result = Type("named", text, place)  # resolved by check.py
        mark = self.accept("*") or self.accept("&")
        if mark or const:
            result.indirection = ("const " if const else "") + (mark.text if mark else "")
        return result

    def attributes(self, allowed):
        """[name, name(argument | argument)]; the value of `allowed` is the count, -1 for names."""
        found = {}
        while self.accept("["):
            while not self.accept("]"):
                item = self.name("an attribute")
                if item.text not in allowed:
                    raise IdlError(item.place, f"unknown attribute '{item.text}' here; "
                                   f"known: {', '.join(allowed)}")
                arguments = []
                if self.accept("("):
                    while not self.accept(")"):
                        arguments.append(self.take().text if allowed[item.text] == -1
                                         else self.number())
                        self.accept("|") or self.accept(",")
                if (allowed[item.text] == 0) != (not arguments):
                    raise IdlError(item.place, f"attribute '{item.text}' "
                                   + ("takes no argument" if arguments else "needs an argument"))
                found[item.text] = arguments
                if not self.accept(","):
                    self.expect("]")
                    break
        return found
