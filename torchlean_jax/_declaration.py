"""What `"batch n, n m -> batch m"` says, and whether given arrays are so.

The dimensions of one array are written in jaxtyping's language, and jaxtyping decides
whether an array has them. Here is what it lacks: several arrays in one string, nested
structures, and the place of a mistake. Wrapping functions and modules is the business
of `_shapes.py`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jaxtyping
from jax import core

from torchlean_jax._trace import aval_of
from torchlean_jax.domains._errors import InputError

_FAMILIES = "Float Complex Inexact Int UInt Integer Num Bool Key".split()
_WIDTHS = """Float16 BFloat16 Float32 Float64 Complex64 Complex128 Int4 Int8 Int16 Int32
Int64 UInt4 UInt8 UInt16 UInt32 UInt64""".split()
DTYPES = {name.lower(): getattr(jaxtyping, name) for name in _FAMILIES + _WIDTHS}

# What may stand in the expression for a size, and the functions it may call.
_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.operator, ast.Constant, ast.Call),
    *(ast.Name, ast.expr_context),
)
_CALLED = ("min", "max")


class Array(NamedTuple):
    """One array. hint: the jaxtyping annotation that decides."""

    text: str
    hint: Any


class Group(NamedTuple):
    """A tuple or list of so many items."""

    text: str
    items: tuple


class Fields(NamedTuple):
    """Items by key of a mapping or by attribute; there may be others beside them."""

    text: str
    items: dict


class Anything(NamedTuple):
    """Whatever it is."""

    text: str


@dataclass(frozen=True)
class Declaration:
    """The shapes of arguments and results: a Group each."""

    text: str
    arguments: Group
    results: Group

    @property
    def result(self):
        """The item of the value that is returned: several results are a tuple."""
        (*others, last) = self.results.items
        return self.results if others else last


class Leaf(NamedTuple):
    """A value beside what is declared of it; `label` says which value it is."""

    label: str
    item: Any
    value: Any

    @property
    def aval(self) -> Any:
        """Its shape and dtype, or None for what is no array."""
        is_number = isinstance(self.value, bool | int | float | complex)
        is_array = hasattr(self.value, "shape") and hasattr(self.value, "dtype")
        return aval_of(self.value) if is_number or is_array else None

    def __str__(self) -> str:
        if self.aval is not None:
            return core.ShapedArray(self.aval.shape, self.aval.dtype).str_short()
        if isinstance(self.value, tuple | list):
            return f"a {type(self.value).__name__} of {len(self.value)}"
        return "None" if self.value is None else f"a {type(self.value).__name__}"


def spread(label: str, item, value) -> Iterator[Leaf]:
    """The arrays of `value` beside what is declared of each.

    A value whose structure is not the declared one is a Leaf as a whole.
    """
    match item:
        case Anything():
            return
        case Group() if isinstance(value, tuple | list) and (
            len(value) == len(item.items)
        ):
            for number, (part, inner) in enumerate(zip(item.items, value, strict=True)):
                yield from spread(f"{label}[{number}]", part, inner)
        case Fields() if all(_has(value, name) for name in item.items):
            for name, part in item.items.items():
                yield from spread(f"{label}.{name}", part, _field(value, name))
        case _:
            yield Leaf(label, item, value)


def _has(value, name):
    return name in value if isinstance(value, Mapping) else hasattr(value, name)


def _field(value, name):
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


def faults(leaves: list[Leaf]) -> list[str]:
    """What is wrong with each of `leaves`, "" for nothing; names are bound in order.

    jaxtyping keeps the sizes of names for as long as one function runs; a function that
    is itself checked begins anew. So all of the checking stands in this one.
    """
    found = []
    with jaxtyping.jaxtyped("context"):
        for leaf in leaves:
            if not isinstance(leaf.item, Array):
                fault = "another structure is declared"
            elif leaf.aval is None:
                fault = "not an array"
            else:
                try:
                    fault = leaf.item.hint.__instancecheck_str__(leaf.aval)
                except (jaxtyping.AnnotationError, ArithmeticError):
                    # `#n` of size 1 says nothing of n; an array with a fault neither
                    fault = "the expression for a size has no value here"
            found.append(fault.removesuffix(" by the type hint"))
    return found


def read(text: str) -> Declaration:
    """The declaration that `text` is; InputError, with the place, if it is none."""
    return _Reader(text).declaration()


class _Reader:
    """`known`: the names that have a size at the place that is being read."""

    def __init__(self, text: str):
        self.text = text
        self.known: set[str] = set()

    def refuse(self, at: int, why: str):
        place = f"  {self.text}\n  {at * ' '}^"
        raise InputError(f"cannot read these shapes: {why}\n{place}")

    def declaration(self) -> Declaration:
        arrows = [m.start() for m in re.finditer("->", self.text)]
        if len(arrows) != 1:
            at = arrows[1] if arrows else len(self.text)
            self.refuse(at, 'one "->" stands between arguments and results')
        (arrow,) = arrows
        arguments = self.group(0, arrow)
        return Declaration(self.text, arguments, self.group(arrow + 2, len(self.text)))

    def group(self, start: int, stop: int) -> Group:
        parts = self.parts(start, stop)
        return Group(self.text[start:stop].strip(), tuple(self.item(*p) for p in parts))

    def parts(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The places of what stands between commas that are in no bracket."""
        open_at, cuts = [], [start - 1]
        for at in range(start, stop):
            mark = self.text[at]
            if mark in "([{":
                open_at.append(at)
            elif mark in ")]}":
                if not open_at or "([{".index(self.text[open_at.pop()]) != (
                    ")]}".index(mark)
                ):
                    self.refuse(at, f"nothing is open that {mark!r} could close")
            elif mark == "," and not open_at:
                cuts.append(at)
        if open_at:
            self.refuse(open_at[-1], f"{self.text[open_at[-1]]!r} is never closed")
        return [(a + 1, b) for a, b in zip(cuts, [*cuts[1:], stop], strict=True)]

    def item(self, start: int, stop: int):
        while start < stop and self.text[start].isspace():
            start += 1
        text = self.text[start:stop].rstrip()
        stop = start + len(text)
        if text == "...":
            return Anything(text)
        if text.startswith("(") and self.closes(start) == stop:
            return self.group(start + 1, stop - 1)._replace(text=text)
        if text.startswith("{") and self.closes(start) == stop:
            return Fields(text, self.fields(start + 1, stop - 1))
        typed = re.fullmatch(r"(\w*)\[(.*)\]", text)
        if not typed:
            return Array(text, self.hint(jaxtyping.Shaped, start, stop))
        if typed[1] not in DTYPES:
            self.refuse(start, f"before [ stands a dtype: {', '.join(DTYPES)}")
        inside = start + typed.start(2), start + typed.end(2)
        return Array(text, self.hint(DTYPES[typed[1]], *inside))

    def closes(self, start: int) -> int:
        """Where the bracket that opens at `start` has ended."""
        depth, at = 0, start
        while depth or at == start:
            depth += (self.text[at] in "([{") - (self.text[at] in ")]}")
            at += 1
        return at

    def fields(self, start: int, stop: int) -> dict:
        items = {}
        for first, last in self.parts(start, stop):
            named = re.match(r"\s*(\w+)\s*:", self.text[first:last])
            if not named:
                self.refuse(first, "inside { } each item is `key: shape`")
            items[named[1]] = self.item(first + named.end(), last)
        return items

    def hint(self, dtype, start: int, stop: int):
        """The jaxtyping annotation of an array whose dimensions stand there."""
        names = set()
        for token in re.finditer(r"\S+", self.text[start:stop]):
            names |= self.names(token[0], start + token.start(), names)
        try:
            hint = dtype[Any, self.text[start:stop]]
        except ValueError as error:
            self.refuse(start, str(error))
        self.known |= names
        return hint

    def names(self, token: str, at: int, before: set[str]) -> set[str]:
        """The name to which one dimension gives a size, if it does."""
        if token in ("...", "_"):
            return set()
        size = re.fullmatch(r"[*#]*(?:\w+=)?(.*)", token)
        assert size is not None  # it matches everything
        try:
            tree = ast.parse(size[1], mode="eval")
        except SyntaxError:
            self.refuse(at, f"{token!r} is no size; a product is written 2*n")
        if isinstance(tree.body, ast.Name):
            # `_n` is any size, and `*n` several
            return set() if "*" in token or size[1].startswith("_") else {size[1]}
        self.check_arithmetic(tree, token, at, before)
        return set()

    def check_arithmetic(self, tree, token, at, before):
        called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for node in ast.walk(tree):
            allowed = isinstance(node, _ARITHMETIC)
            if isinstance(node, ast.Constant):
                allowed = type(node.value) is int
            if not allowed:
                self.refuse(at, f"{token!r} is no size, name or sum or product of them")
            if not isinstance(node, ast.Name):
                continue
            if id(node) in called:
                if node.id not in _CALLED:
                    self.refuse(at, f"only min and max can be called, not {node.id}")
            elif node.id not in self.known | before:
                self.refuse(
                    at, f"the size of {node.id} has to come before it is used here"
                )
