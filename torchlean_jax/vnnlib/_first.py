"""VNN-LIB 1.0: the subset of SMT-LIB that properties of networks are written in.

Reading only: what a formula means for boxes and specs is in `_cases`.
"""

import itertools
import re
from fractions import Fraction

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib._formula import (
    FALSE,
    TRUE,
    All,
    Any,
    Formula,
    Linear,
    added,
    compare,
    negated,
    number,
    product,
    scaled,
)

_TOKEN = re.compile(r'[()]|\|[^|]*\||"[^"]*"|[^\s();|"]+|;[^\n]*|["|]')
_VARIABLE = re.compile(r"([XY])_(0|[1-9]\d{0,8})")
_DEEPEST = 200  # brackets within brackets
_SILENT = frozenset(
    "set-logic set-info set-option check-sat get-model get-value exit".split()
)
_COMPARISONS = frozenset(("<=", ">=", "<", ">", "=", "=="))


def parse(text: str) -> tuple[int, int, Formula]:
    """(number of inputs, number of outputs, the conjunction of all assertions)."""
    reader = _Reader()
    for index, command in enumerate(_commands(text)):
        try:
            reader.read(command)
        except FileFormatError as error:
            raise FileFormatError(f"line {_line(text, index)}: {error}") from error
    inputs, outputs = reader.sizes()
    return inputs, outputs, All(tuple(reader.assertions))


def _commands(text):
    """The bracketed expressions of the file, as nested lists of words."""
    stack, count = [], 0
    for token in _TOKEN.findall(text):
        if token == "(":
            stack.append([])
            if len(stack) > _DEEPEST:
                where = _line(text, count)
                raise FileFormatError(f"line {where}: nested more than {_DEEPEST} deep")
        elif token == ")":
            if not stack:
                raise FileFormatError(_unbalanced(text))
            done = stack.pop()
            if stack:
                stack[-1].append(done)
            else:
                yield done
                count += 1
        elif token[0] != ";":
            if not stack:
                raise FileFormatError(f"{token[:40]!r} stands outside of all brackets")
            stack[-1].append(token)
    if stack:
        raise FileFormatError(
            f"line {_line(text, count)}: this bracket is never closed (is the file cut "
            "short?)"
        )


def _starts(text):
    """(offset, depth) of every bracket; only errors look at offsets."""
    depth = 0
    for found in _TOKEN.finditer(text):
        if found[0] == "(":
            yield found.start(), depth
            depth += 1
        elif found[0] == ")":
            depth -= 1
            yield found.start(), depth


def _line(text, index):
    """The line on which expression number `index` begins."""
    tops = [at for at, depth in _starts(text) if depth == 0 and text[at] == "("]
    return text.count("\n", 0, tops[index]) + 1


def _unbalanced(text):
    at = next(at for at, depth in _starts(text) if depth < 0)
    return f"line {text.count(chr(10), 0, at) + 1}: this bracket closes nothing"


class _Reader:
    """Declarations so far, and assertions as formulas."""

    def __init__(self):
        self.declared: dict[str, int] = {}
        self.assertions: list[Formula] = []

    def read(self, command) -> None:
        head = command[0] if command and isinstance(command[0], str) else None
        if head == "assert" and len(command) == 2:
            self.assertions.append(self.formula(command[1]))
        elif head == "declare-const" and len(command) == 3:
            self._declare(command[1], command[2])
        elif head == "declare-fun" and len(command) == 4 and command[2] == []:
            self._declare(command[1], command[3])
        elif head not in _SILENT:
            raise FileFormatError(f"not understood: {_shown(command)}")

    def _declare(self, name, sort):
        found = _VARIABLE.fullmatch(name) if isinstance(name, str) else None
        if found is None or sort != "Real":
            raise FileFormatError(
                f"variables are X_i and Y_j of sort Real; got {_shown(name)} of sort "
                f"{_shown(sort)}"
            )
        if name in self.declared:
            raise FileFormatError(f"{name} is declared twice")
        place = int(found[2])
        self.declared[name] = place if found[1] == "X" else -1 - place

    def sizes(self) -> tuple[int, int]:
        """How many inputs and outputs are declared, counted from 0 without a gap."""
        sizes = []
        for letter in "XY":
            count = sum(name[0] == letter for name in self.declared)
            for i in range(count):
                if f"{letter}_{i}" not in self.declared:
                    raise FileFormatError(
                        f"{count} variables {letter}_i are declared, but "
                        f"{letter}_{i} is not"
                    )
            if not count:
                raise FileFormatError(f"no variable {letter}_i is declared")
            sizes.append(count)
        return sizes[0], sizes[1]

    def formula(self, tree) -> Formula:
        if tree == "true":
            return TRUE
        if tree == "false":
            return FALSE
        if not isinstance(tree, list) or len(tree) < 2 or isinstance(tree[0], list):
            raise FileFormatError(f"not a formula: {_shown(tree)}")
        head, *rest = tree
        if head in _COMPARISONS and len(rest) >= 2:
            sides = [self.term(side) for side in rest]
            pairs = itertools.pairwise(sides)
            parts = tuple(compare(head, *pair) for pair in pairs)
            return parts[0] if len(parts) == 1 else All(parts)
        if head in ("and", "or"):
            parts = tuple(map(self.formula, rest))
            return All(parts) if head == "and" else Any(parts)
        if head == "not" and len(rest) == 1:
            return negated(self.formula(rest[0]))
        if head == "=>" and len(rest) >= 2:
            *premises, conclusion = map(self.formula, rest)
            return Any((*map(negated, premises), conclusion))
        raise FileFormatError(f"not understood: {_shown(tree)}")

    def term(self, tree) -> Linear:
        if isinstance(tree, str):
            return self._word(tree)
        if len(tree) < 2 or isinstance(tree[0], list):
            raise FileFormatError(f"not a term: {_shown(tree)}")
        head, *rest = tree
        if head not in ("+", "-", "*", "/"):
            raise FileFormatError(f"not a linear term: {_shown(tree)}")
        first, *others = map(self.term, rest)
        minus = Fraction(-1)
        if head == "+":
            return added([first, *others])
        if head == "-":
            if not others:
                return scaled(minus, first)
            return added([first, *(scaled(minus, other) for other in others)])
        if head == "*":
            return product([first, *others])
        for coefficients, constant in others:
            if any(coefficients.values()) or not constant:
                raise FileFormatError(f"not a linear term: {_shown(tree)}")
            first = scaled(1 / constant, first)
        return first

    def _word(self, word) -> Linear:
        variable = self.declared.get(word)
        if variable is not None:
            return {variable: Fraction(1)}, Fraction(0)
        value = number(word)
        if value is None:
            raise FileFormatError(f"{word[:40]} is not declared")
        return {}, value


def _shown(tree) -> str:
    """An expression in at most 60 characters, for an error."""
    if isinstance(tree, str):
        return tree[:60]
    inner = " ".join(_shown(part) for part in tree[:6])
    text = f"({inner}{' ...' if len(tree) > 6 else ''})"
    return text if len(text) <= 60 else text[:57] + "..."
