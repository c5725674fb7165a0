"""The networks and input sets of `bounds.py`, as numpy arrays and JAX functions.

Weights and boxes are plain float32 numpy arrays, so that both sides of a comparison are
given the same numbers. The public networks are read from the benchmark folder beside
the checkout; no folder, no case. What the peer does with a case is in `_peer.py`.
"""

import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FOLDER = Path(
    os.environ.get("TORCHLEAN_BENCH")
    or Path(__file__).resolve().parents[2] / "shared/bench"
)


@dataclass(frozen=True)
class Network:
    """One model: its weights, its JAX function of one input, and its boxes.

    layers: what `_peer.py` builds the torch module from. corners: batch size -> (lo,
    hi), float32 arrays [batch, *shape]. batches: the sizes to measure.
    """

    name: str
    function: Callable
    layers: tuple
    corners: Callable[[int], tuple[np.ndarray, np.ndarray]]
    batches: tuple[int, int]


def networks():
    """Every network whose files are at hand; says which ones are skipped."""
    for make in (mnist, cifar, acas, attention, smooth):
        try:
            yield make()
        except (FileNotFoundError, ModuleNotFoundError) as missing:
            print(f"skipped {make.__name__}: {missing}")


def mnist() -> Network:
    """mnist_fc 256x2; radius 0.02 around the centres of its eps = 0.03 boxes."""
    weights = _initialisers("mnist_fc/onnx/mnist-net_256x2.onnx")
    layers = []
    for k in (0, 2, 4):
        weight, bias = weights[f"layers.{k}.weight"], weights[f"layers.{k}.bias"]
        layers += [("linear", weight.T, bias), ("relu",)]
    corners = _around_centres("mnist_fc/vnnlib", "*0.03.vnnlib", (784,), 0.02)
    return _sequential("mnist_fc 256x2", layers[:-1], corners, (1, 64))


def cifar() -> Network:
    """oval21 cifar_base_kw; radius 0.02 around the centres of its own boxes."""
    weights = _initialisers("oval21/onnx/cifar_base_kw.onnx")
    w = [(weights[f"{k}.weight"], weights[f"{k}.bias"]) for k in (0, 2, 5, 7)]
    layers = [("conv", *w[0]), ("relu",), ("conv", *w[1]), ("relu",), ("flatten",)]
    layers += [
        ("linear", w[2][0].T, w[2][1]),
        ("relu",),
        ("linear", w[3][0].T, w[3][1]),
    ]
    corners = _around_centres("oval21/vnnlib", "cifar_base_kw*", (3, 32, 32), 0.02)
    return _sequential("cifar_base_kw", layers, corners, (1, 16))


def acas() -> Network:
    """ACAS Xu 1_1 on the box of property 1; a batch cuts it in 4 along each axis."""
    weights = _initialisers("acasxu/onnx/ACASXU_run2a_1_1_batch_2000.onnx")
    layers = []
    for k in range(1, 8):
        prefix = f"Operation_{k}" if k < 7 else f"linear_{k}"
        weight, bias = weights[f"{prefix}_MatMul_W"], weights[f"{prefix}_Add_B"]
        layers += [("linear", weight, bias), ("relu",)]
    lo, hi = _vnnlib_box(FOLDER / "acasxu/vnnlib/prop_1.vnnlib", (5,))

    def corners(batch):
        if batch == 1:
            return np.float32(lo)[None], np.float32(hi)[None]
        cell = np.array(list(itertools.product(range(4), repeat=5)))[:batch]
        step = (hi - lo) / 4
        return np.float32(lo + cell * step), np.float32(lo + (cell + 1) * step)

    return _sequential("ACAS Xu 1_1", layers[:-1], corners, (1, 1024))


def attention() -> Network:
    """One head of attention on 4 tokens of 8 features, then a relu layer."""
    rng = np.random.default_rng(0)
    w = {name: _dense(rng, 8, 8) for name in ("query", "key", "value", "out")}
    w |= {"up": _dense(rng, 8, 16), "down": _dense(rng, 16, 8)}

    def function(x):
        def dense(name, x):
            return x @ w[name][0] + w[name][1]

        q, k, v = (dense(name, x) for name in ("query", "key", "value"))
        x = x + dense("out", jax.nn.softmax(q @ k.T / np.float32(8**0.5)) @ v)
        return x + dense("down", jax.nn.relu(dense("up", x)))

    corners = _around_random((4, 8), 0.02)
    return Network("attention T4 D8", function, (("attention", w),), corners, (1, 16))


def smooth() -> Network:
    """A perceptron 20-32-32-10 with tanh, logistic and softmax."""
    rng = np.random.default_rng(1)
    layers = []
    for size, kind in (
        ((20, 32), "tanh"),
        ((32, 32), "sigmoid"),
        ((32, 10), "softmax"),
    ):
        layers += [("linear", *_dense(rng, *size)), (kind,)]
    return _sequential("smooth MLP", layers, _around_random((20,), 0.05), (1, 64))


APPLY = {
    "linear": lambda x, weight, bias: x @ weight + bias,
    "conv": lambda x, weight, bias: (
        lax.conv_general_dilated(
            x[None], weight.astype(x.dtype), (2, 2), ((1, 1), (1, 1))
        )[0]
        + bias[:, None, None]
    ),
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
    "flatten": jnp.ravel,
}


def _sequential(name, layers, corners, batches) -> Network:
    def function(x):
        for kind, *weights in layers:
            x = APPLY[kind](x, *weights)
        return x

    return Network(name, function, tuple(layers), corners, batches)


def _dense(rng, fan_in, fan_out):
    weight = rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)
    return np.float32(weight), np.float32(0.1 * rng.standard_normal(fan_out))


def _around_random(shape, radius):
    def corners(batch):
        centre = np.random.default_rng(2).standard_normal((batch, *shape))
        return np.float32(centre - radius), np.float32(centre + radius)

    return corners


def _around_centres(folder, pattern, shape, radius):
    """Boxes around the centres of VNN-LIB boxes, by file name, repeated as needed."""
    files = sorted((FOLDER / folder).glob(pattern))
    if not files:
        raise FileNotFoundError(f"{folder}/{pattern} in {FOLDER}")
    centres = [np.mean(_vnnlib_box(file, shape), axis=0) for file in files]

    def corners(batch):
        centre = np.stack([centres[k % len(centres)] for k in range(batch)])
        return np.float32(centre - radius), np.float32(centre + radius)

    return corners


def _vnnlib_box(file, shape):
    """(lo, hi), float64: the bounds on X_i of a VNN-LIB file, one assertion each."""
    text = file.read_text()
    ends = {"<=": np.full(shape, np.nan), ">=": np.full(shape, np.nan)}
    bound = r"\(assert \((<=|>=) X_(\d+) ([-+.\de]+)\)\)"
    for op, index, value in re.findall(bound, text):
        ends[op].reshape(-1)[int(index)] = float(value)
    if np.isnan([*ends.values()]).any():
        raise ValueError(f"{file.name} does not bound every input on both sides")
    return ends[">="], ends["<="]


def _initialisers(path):
    from onnx import load, numpy_helper  # only the networks that come as files need it

    if not (FOLDER / path).exists():
        raise FileNotFoundError(f"{path} is not in {FOLDER}")
    return {
        tensor.name: numpy_helper.to_array(tensor).copy()
        for tensor in load(FOLDER / path).graph.initializer
    }
