"""The networks of the public benchmarks, beside onnxruntime."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import torchlean_jax as tl
from tests.onnx.models import EPS, gamma
from tests.published import published
from torchlean_jax.onnx._file import read_bytes

FOLDERS = ("acasxu", "mnist_fc", "oval21", "soundness_counterexamples")


def files(folder):
    found = sorted(published(folder).rglob("*.onnx*"))
    assert found, f"no networks in {folder}"
    return found


def in_float64(path):
    """The network of a file with its float32 weights as float64 numbers."""
    model = onnx.load_from_string(read_bytes(path))
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return model


def onnxruntime(model):
    """Or the reference implementation of ONNX, for want of a float64 kernel."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = {tensor.name for tensor in model.graph.initializer}
    name = next(i.name for i in model.graph.input if i.name not in weights)
    content, provider = model.SerializeToString(), ["CPUExecutionProvider"]
    try:
        session = ort.InferenceSession(content, options, providers=provider)
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:
        session = ReferenceEvaluator(model)
    return lambda x: session.run(None, {name: x})[0]


def roundings(params):
    """On the way through layers in a row: a product sums fan-in terms, and a bias."""
    fans = [
        a.size // min(a.shape[0], a.shape[-1]) for a in params.values() if a.ndim > 1
    ]
    return sum(fan + 2 for fan in fans)


COMPILED = {}


def compiled(net, params, dtype):
    """Networks with the same program but for their weights are compiled once."""
    x = jax.ShapeDtypeStruct(net.inputs[0].shape, dtype)
    traced = jax.make_jaxpr(net)(params, x)
    assert not traced.consts
    return COMPILED.setdefault((tuple(params), str(traced)), jax.jit(net))


def distances(model, dtype, change=lambda params: params):
    """(how far we are from onnxruntime, how far both may be from the exact result).

    Layers x -> relu(W x + b) only: a run differs from the exact result by at most
    gamma_n times the same network of magnitudes, n roundings on each way (Higham 2002,
    section 3.1; relu is 1-Lipschitz). The subtraction of zeros that ACAS networks begin
    with costs nothing. In float64 this leaves no room for another network; in float32
    it leaves some.
    """
    net, params = tl.from_onnx(model)
    random = np.random.default_rng(7)
    theirs, ours = onnxruntime(model), compiled(net, params, dtype)
    sizes = jax.tree.map(jnp.abs, params)
    unit = EPS if dtype == "float32" else 2.0**-53
    for _ in range(2):
        x = random.uniform(-1, 1, net.inputs[0].shape).astype(dtype)
        apart = np.abs(np.asarray(ours(change(params), x)) - theirs(x))
        bound = gamma(roundings(params), unit) * np.asarray(ours(sizes, np.abs(x)))
        yield apart, 2 * bound * (1 + 1e-3)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_network_of_a_benchmark_does_what_onnxruntime_does(folder):
    for path in files(folder):
        model = onnx.load_from_string(read_bytes(path))
        for apart, allowed in distances(model, "float32"):
            assert (apart <= allowed).all(), (path.name, apart.max(), allowed.min())


@pytest.mark.parametrize("folder", FOLDERS)
def test_in_float64_it_does_so_more_sharply(folder):
    chosen = files(folder)
    with jax.enable_x64(True):
        for path in chosen[:: 1 if len(chosen) < 10 else 9]:
            for apart, allowed in distances(in_float64(path), "float64"):
                assert (apart <= allowed).all(), (path.name, apart.max(), allowed.min())
                assert (allowed < 0.01).all()


def test_a_changed_weight_is_noticed():
    """One row of the last layer, by a thousandth."""

    def change(params):
        name = [n for n, a in params.items() if a.ndim > 1][-1]
        return params | {name: params[name].at[0].add(1e-3)}

    with jax.enable_x64(True):
        model = in_float64(files("mnist_fc")[0])
        found = list(distances(model, "float64", change))
    assert any((apart > allowed).any() for apart, allowed in found)


@pytest.mark.parametrize(
    ("name", "radius", "method"),
    [  # the methods that compile longest on the networks that compile fastest
        ("acasxu/onnx/ACASXU_run2a_1_1_batch_2000.onnx", 0.01, "ibp"),
        ("mnist_fc/onnx/mnist-net_256x2.onnx", 0.005, "crown-ibp"),
        ("oval21/onnx/cifar_base_kw.onnx", 0.002, "crown-ibp"),
        ("soundness_counterexamples/false_cert_B.onnx", 0.5, "crown"),
    ],
)
def test_bounds_contain_what_the_networks_return(name, radius, method):
    net, params = tl.from_onnx(published(name))
    shape = net.inputs[0].shape
    centre = np.random.default_rng(3).uniform(0.3, 0.7, shape).astype(np.float32)
    found = tl.bounds(lambda x: net(params, x), method=method)(
        tl.box(centre, radius=radius)
    )
    random = np.random.default_rng(4)
    inside = centre + radius * random.uniform(-0.99, 0.99, (64, *shape))
    outputs = jax.vmap(net, (None, 0))(params, inside.astype(np.float32))
    # runs round: allow for it what `distances` does
    slack = gamma(roundings(params)) * net(
        jax.tree.map(jnp.abs, params), np.abs(centre) + np.float32(radius)
    )
    assert (found.lo - slack <= outputs).all() and (outputs <= found.hi + slack).all()
    assert (found.width < 1e9).all()
