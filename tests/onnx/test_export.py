"""JAX models as ONNX files. Oracles: onnxruntime, and files with planted faults."""

import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import onnx.parser
import pytest

import torchlean_jax as tl
from torchlean_jax.zoo._extras import MissingExtraError

RANDOM = np.random.default_rng(0)
W, V, K = (
    RANDOM.normal(size=shape).astype(np.float32)
    for shape in ((4, 6), (6, 3), (3, 3, 2, 4))
)


def norm(x):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / jnp.sqrt(variance + 1e-5)


def attention(x):
    q, k, v = x @ W, x @ (2 * W), x @ (W + 1)
    return jax.nn.softmax(q @ k.T / 2) @ v


MODELS = {
    "mlp": (lambda x: jax.nn.relu(x @ W) @ V, (2, 4)),
    "attention": (attention, (3, 4)),
    "norm and gelu": (lambda x: norm(jax.nn.gelu(x @ W)), (2, 4)),
    "convolution": (
        lambda x: jax.lax.conv_general_dilated(
            x, K, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        (1, 5, 5, 2),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model, shape", MODELS.values(), ids=MODELS)
def test_a_model_is_written(model, shape, tmp_path):
    pytest.importorskip("jax2onnx", reason="an extra: torchlean-jax[export]")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    tl.to_onnx(model, jnp.zeros(shape), path=path)
    x = RANDOM.normal(size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (returned,) = session.run(None, {session.get_inputs()[0].name: x})
    # what onnxruntime returns is one of the executions that float32 allows
    run = tl.interpret(model, domain=tl.FP32())(x)
    assert (np.asarray(run.lo) <= returned).all()
    assert (returned <= np.asarray(run.hi)).all()


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_read_back_is_refused(tmp_path):
    pytest.importorskip("jax2onnx", reason="an extra: torchlean-jax[export]")
    loop = lambda x: jax.lax.scan(lambda h, _: (jnp.tanh(h), None), x, None, 3)[0]
    with pytest.raises(tl.MissingOperatorError, match="Loop"):
        tl.to_onnx(loop, jnp.zeros(2), path=tmp_path / "loop.onnx")
    assert not list(tmp_path.iterdir())


TEXT = """<ir_version: 8, opset_import: ["" : 18]>
net (float[2] x) => ({dtype}[2] y)
<float[2, 2] w = {{2.0, -1.0, 0.5, 1.5}}> {{ {body} }}"""


@pytest.fixture
def writer(monkeypatch):
    """As if jax2onnx wrote this graph, whatever it is asked for."""

    def install(body, dtype="float"):
        written = onnx.parser.parse_model(TEXT.format(body=body, dtype=dtype))
        fake = SimpleNamespace(to_onnx=lambda function, shapes: written)
        monkeypatch.setitem(sys.modules, "jax2onnx", fake)
        return written

    return install


SQUARE = np.array([[2.0, -1.0], [0.5, 1.5]], np.float32)


@pytest.mark.parametrize(
    "body, dtype, message",
    [
        ("t = Transpose(w) y = MatMul(x, t)", "float", "wrote another function"),
        ("z = MatMul(x, w) y = Abs(z)", "float", "wrote another function"),
        ("z = MatMul(x, w) y = Cast<to = 11>(z)", "double", "outputs of dtypes"),
    ],
    ids=["transposed", "one operator more", "wider"],
)
def test_another_function_is_refused(writer, body, dtype, message, tmp_path):
    model, path = lambda x: x @ SQUARE, tmp_path / "net.onnx"
    with jax.enable_x64(True):
        writer("y = MatMul(x, w)")
        tl.to_onnx(model, jnp.zeros(2, jnp.float32), path=path)
        assert onnx.load(path).graph.node[0].op_type == "MatMul"
        path.unlink()
        written = writer(body, dtype)
        with pytest.raises(tl.ConversionError, match=message):
            tl.to_onnx(model, jnp.zeros(2, jnp.float32), path=path)
        assert not path.exists()
        unchecked = tl.to_onnx(model, jnp.zeros(2, jnp.float32), check=False)
    assert unchecked is written


def test_what_is_not_decided_is_refused(writer):
    """The root of a square is the absolute value, but not to a finite field."""
    writer("z = Mul(x, x) y = Sqrt(z)")
    with pytest.raises(tl.ConversionError, match="not seen to be the same"):
        tl.to_onnx(jnp.abs, jnp.zeros(2))


def test_a_writer_that_fails_is_named(monkeypatch):
    def broken(function, shapes):
        raise NotImplementedError("no plugin for qr\nmore")

    monkeypatch.setitem(sys.modules, "jax2onnx", SimpleNamespace(to_onnx=broken))
    with pytest.raises(tl.ConversionError, match="NotImplementedError: no plugin"):
        tl.to_onnx(lambda x: x, jnp.zeros(2))


def test_without_jax2onnx_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[export\]"):
        tl.to_onnx(lambda x: x, jnp.zeros(2))
