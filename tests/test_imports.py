"""Which module may import which, and what importing costs.

Arrows point one way: torchlean_jax -> pallas_kernels -> interpreters -> domains. The
checker imports the standard library alone. Nothing imports `jax._src`.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ["torchlean_jax", "pallas_kernels", "interpreters", "domains"]
OURS = [*ROOMS, "torchlean_check", "torchlean_pytest"]
SCRIPTS = ["tests", "scripts", "benchmarks", "docs", "notebooks"]
# What only an extra installs, by the name it is imported under.
OPTIONAL = [
    *("beartype", "equinox", "flax", "flint", "hypothesis", "matplotlib", "mpmath"),
    *("onnx", "onnxruntime", "orbax", "rich", "sklearn", "tensorboardX", "torch"),
    *("vnnlib", "cloudpickle", "jax2onnx", "ray", "safetensors"),
    *("gymnasium", "tokenizers"),
]


def sources(*folders):
    """Every Python file once: `os.walk` does not follow the symlinks of the rooms."""
    for folder in folders:
        for where, _, names in os.walk(ROOT / folder):
            yield from (Path(where, n) for n in sorted(names) if n.endswith(".py"))


def imported(text):
    """Every dotted name that a source imports or reaches through `jax.`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def room_of(name):
    parts = name.split(".")
    inner = parts[0] == "torchlean_jax" and len(parts) > 1 and parts[1] in ROOMS
    return parts[1] if inner else parts[0]


def against_the_arrows(text, room):
    """The imports of a module of `room` that no arrow allows, and relative ones."""
    allowed = set(ROOMS[ROOMS.index(room) :])
    allowed |= {"torchlean_check"} if room == "torchlean_jax" else set()
    forbidden = set(OURS) - allowed
    return [n for n in imported(text) if n.startswith(".") or room_of(n) in forbidden]


def private_jax(text):
    return [name for name in imported(text) if name.startswith("jax._src")]


def outside_the_standard_library(text):
    known = sys.stdlib_module_names | {"", "torchlean_check"}
    imports = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = imported("\n".join(map(ast.unparse, imports)))
    return [name for name in names if name.split(".")[0] not in known]


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_one_way(room):
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in sources(room)
        if (found := against_the_arrows(path.read_text(), room))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("from torchlean_jax.interpreters import _forward", "domains"),
        ("from torchlean_jax import interpreters", "domains"),
        ("import torchlean_jax", "interpreters"),
        ("import torchlean_jax.pallas_kernels", "interpreters"),
        ("def f():\n    from torchlean_jax import bounds", "interpreters"),
        ("from torchlean_check import check", "interpreters"),
        ("from domains.interval import Interval", "torchlean_check"),
        ("from . import _value", "domains"),
    ],
)
def test_an_import_against_the_arrows_is_noticed(line, room):
    if room == "torchlean_check":
        assert outside_the_standard_library(line)
    else:
        assert against_the_arrows(line, room)


def test_an_import_along_the_arrows_passes():
    along = "from torchlean_jax.domains.interval import Interval\nimport jax"
    assert not against_the_arrows(along, "interpreters")
    assert not against_the_arrows("import torchlean_check", "torchlean_jax")


def test_nothing_imports_the_private_parts_of_jax():
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources(*OURS, *SCRIPTS)
        if (names := private_jax(path.read_text()))
    }
    assert not found


@pytest.mark.parametrize(
    "line", ["from jax._src import core", "import jax._src.core", "jax._src.core.x"]
)
def test_an_import_of_the_private_parts_of_jax_is_noticed(line):
    assert private_jax(line)


def test_the_checker_names_only_the_standard_library():
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources("torchlean_check")
        if (names := outside_the_standard_library(path.read_text()))
    }
    # an accelerator, imported only when it is asked for (the test below runs without)
    assert found == {"torchlean_check/_matrices.py": ["flint"]}
    assert outside_the_standard_library("def f():\n    import numpy")


def imports_alone(folder):
    """Whether the checker in `folder` imports with nothing installed beside it."""
    code = (
        "import importlib, pkgutil, sys; sys.path.append(sys.argv[1])\n"
        "import torchlean_check\n"
        "for module in pkgutil.iter_modules(torchlean_check.__path__):\n"
        "    importlib.import_module(f'torchlean_check.{module.name}')\n"
    )
    bare = [sys.executable, "-I", "-S", "-c", code, str(folder)]
    return subprocess.run(bare, check=False, capture_output=True).returncode == 0


def test_the_checker_imports_with_nothing_else_installed(tmp_path):
    checker = tmp_path / "torchlean_check"
    shutil.copytree(ROOT / "torchlean_check", checker)
    assert imports_alone(tmp_path)
    (checker / "_planted.py").write_text("import numpy\n")
    assert not imports_alone(tmp_path)


def imports_without_extras(statement):
    blocked = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + statement],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode == 0, done.stderr


def test_the_base_installation_is_enough():
    passed, message = imports_without_extras("import torchlean_jax, torchlean_jax.cli")
    assert passed, message
    assert not imports_without_extras("import flax")[0]


def import_cost(module, *path):
    """Processor seconds that importing `module` adds to `import jax`: best of eight.

    Processor time, so that a busy machine does not fail the test; with compiled
    bytecode kept, as it is for a user, which the first of the eight runs writes.
    """
    code = (
        "import sys, time, jax\n"
        "start = time.process_time()\n"
        f"import {module}\n"
        "print(time.process_time() - start)\n"
    )
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *map(str, path)]),
    }
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        for _ in range(8)
    ]
    return min(float(run.stdout) for run in runs)


BUDGET = 0.3


def test_importing_the_package_stays_cheap():
    assert import_cost("torchlean_jax") < BUDGET


def test_a_slow_import_is_noticed(tmp_path):
    slow = f"import time\nwhile time.process_time() - start < {BUDGET}: pass\n"
    source = "from __main__ import start\n" + slow
    (tmp_path / "slow_to_import.py").write_text(source)
    assert import_cost("slow_to_import", tmp_path) > BUDGET
