"""Loading the files that fill the table of operators."""

import importlib

GROUPS = """_arithmetic _activations _reduce _layout _index _contraction _pool
_normalise _constants _resize _recurrent""".split()


def load() -> None:
    for name in GROUPS:
        importlib.import_module(f"torchlean_jax.onnx.{name}")
