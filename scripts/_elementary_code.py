"""What the evidence of a scan depends on: the code of one function, as a digest.

Comments, docstrings, annotations, formatting and the table of hard cases are left out;
so is whatever differs between Python versions in the syntax tree.
"""

import ast
import hashlib
from pathlib import Path

ROOM = Path(__file__).parents[1] / "domains/ieee32/_functions"
PACKAGE = "torchlean_jax.domains.ieee32._functions."
LEFT_OUT = "_hard_cases"
# Of the generated numbers, those that the kernels use.
NUMBERS = {"_coefficients": ("_hex", "POLYNOMIALS", "CONSTANTS")}
ANNOTATIONS = ("annotation", "returns")


def digest(name):
    """The SHA-256 of the code that computes the function `name`."""
    sha = hashlib.sha256()
    for module in sorted(_modules(name)):
        kept = [n for n in _tree(module).body if _matters(module, n)]
        sha.update(repr((module, _skeleton(kept))).encode())
    return sha.hexdigest()


def _tree(module):
    return ast.parse((ROOM / f"{module}.py").read_text())


def _modules(name):
    """The module that defines a function, and all of ours that it imports."""
    home = next(
        path.stem
        for path in sorted(ROOM.glob("_*.py"))
        if any(name in _defined(node) for node in _tree(path.stem).body)
    )
    found, todo = set(), [home]
    while todo:
        module = todo.pop()
        if module in found or module == LEFT_OUT:
            continue
        found.add(module)
        todo += [
            alias
            for node in ast.walk(_tree(module))
            if isinstance(node, ast.ImportFrom)
            for alias in _imported(node)
        ]
    return found


def _matters(module, node):
    return module not in NUMBERS or bool(_defined(node) & {*NUMBERS[module]})


def _defined(node):
    if not isinstance(node, ast.Assign | ast.FunctionDef):
        return set()
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _imported(node):
    source = node.module or ""
    if source + "." == PACKAGE:
        return [alias.name for alias in node.names]
    return [source.removeprefix(PACKAGE)] if source.startswith(PACKAGE) else []


def _skeleton(node):
    """The syntax tree as nested tuples, without docstrings and empty fields."""
    if isinstance(node, list):
        return tuple(_skeleton(item) for item in node if not _is_docstring(item))
    if not isinstance(node, ast.AST):
        return node
    fields = [
        (key, value)
        for key, value in ast.iter_fields(node)
        if value not in (None, []) and key not in ANNOTATIONS
    ]
    return type(node).__name__, *((key, _skeleton(value)) for key, value in fields)


def _is_docstring(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
