"""The programs of a card as text: what a reader sees beside what was run."""

import ast
import difflib
import inspect
import re
import sys

from torchlean_jax.bugzoo._card import Card

_NAMES = re.compile(r"\b(faulty|fixed)\b")
Side = tuple[str, ...]


def source(card: Card, program: str) -> str:
    """The source of `program`, "faulty", "fixed" or "examine", of a card.

    It begins with the functions and constants of the card's own file that the program
    uses, in the order of the file: together they are all that was run, but for imports.
    """
    text = inspect.getsource(sys.modules[card.examine.__module__])
    definitions = {
        name: node for node in ast.parse(text).body for name in _defined(node)
    }
    wanted: set[str] = set()
    pending = {program}
    while pending:
        name = pending.pop()
        wanted.add(name)
        used = {n.id for n in ast.walk(definitions[name]) if isinstance(n, ast.Name)}
        pending |= (used & definitions.keys()) - wanted
    lines = text.splitlines()
    nodes = dict.fromkeys(definitions[name] for name in definitions if name in wanted)
    parts = ("\n".join(lines[_first_line(n) - 1 : n.end_lineno]) for n in nodes)
    return "\n\n".join(parts)


def side_by_side(left: str, right: str) -> list[tuple[bool, Side, Side]]:
    """Blocks of lines of both: whether they are the same, and the lines of each.

    That one is called faulty and the other fixed is no difference.
    """
    a, b = left.splitlines(), right.splitlines()
    nameless = ([_NAMES.sub("program", line) for line in side] for side in (a, b))
    matcher = difflib.SequenceMatcher(None, *nameless, autojunk=False)
    return [
        (tag == "equal", tuple(a[i:j]), tuple(b[k:m]))
        for tag, i, j, k, m in matcher.get_opcodes()
    ]


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        names = [n for target in node.targets for n in ast.walk(target)]
        return [n.id for n in names if isinstance(n, ast.Name)]
    return []


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])
