"""What a network is as a function: parameters, shapes, dtypes, folding, derivatives."""

import gzip

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

import torchlean_jax as tl
from tests.onnx.models import EPS, by_onnxruntime, by_us, model_of


def model(text, opset=18):
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> {text}'
    )


AFFINE = "net (float[N, 2] x) => (float[N, 3] y) \
<float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[3] b = {0.5, 0, -1}> \
{ a = MatMul(x, w)  y = Add(a, b) }"


def test_weights_are_parameters_bit_for_bit(tmp_path):
    weights = np.frombuffer(
        np.random.default_rng(0).integers(0, 2**32, 64, np.uint32).tobytes(), np.float32
    )
    weights = np.where(np.isfinite(weights), weights, np.float32(1e-42)).reshape(8, 8)
    net, params = tl.from_onnx(
        model_of("MatMul", (weights, weights), opset=13, fixed=[1])[0]
    )
    assert list(params) == ["x1"]
    assert np.asarray(params["x1"]).tobytes() == weights.tobytes()


def test_other_parameters_give_another_network():
    net, params = tl.from_onnx(model(AFFINE))
    x = jnp.ones((1, 2))
    doubled = jax.tree.map(lambda a: 2 * a, params)
    assert (net(doubled, x) == 2 * net(params, x)).all()


def test_an_open_size_is_any_size_and_one_name_one_size():
    net, params = tl.from_onnx(model(AFFINE))
    assert net.inputs[0].shape == ("N", 2)
    assert [net(params, jnp.ones((n, 2))).shape for n in (1, 4)] == [(1, 3), (4, 3)]
    pair = "net (float[N] x, float[N] z) => (float[N] y) { y = Add(x, z) }"
    net, params = tl.from_onnx(model(pair))
    with pytest.raises(tl.InputError, match=r"takes float32\[N\] as its input 'z'"):
        net(params, jnp.ones(2), jnp.ones(1))


@pytest.mark.parametrize(
    "x", [jnp.ones(2), jnp.ones((1, 3)), jnp.ones((1, 2), jnp.int32)]
)
def test_an_input_that_does_not_fit_is_refused(x):
    net, params = tl.from_onnx(model(AFFINE))
    with pytest.raises(tl.InputError, match=r"takes float32\[N,2\] as its input 'x'"):
        net(params, x)


def test_the_number_of_inputs_is_checked():
    net, params = tl.from_onnx(model(AFFINE))
    with pytest.raises(tl.InputError, match=r"takes 1 inputs \(x\)"):
        net(params)


def test_several_outputs_are_a_tuple():
    net, params = tl.from_onnx(
        model(
            "net (float[4] x) => (float[2] a, float[2] b) { a, b = Split<axis=0>(x, s)"
            "}".replace("(x, s)", "<num_outputs=2>(x)").replace(
                "Split<axis=0>", "Split"
            )
        )
    )
    assert [y.tolist() for y in net(params, jnp.arange(4.0))] == [[0, 1], [2, 3]]
    assert net.output_names == ("a", "b")


ATTENTION = """net (float[B, T, 4] x) => (float[B, T, 4] y)
<float[4, 4] wq = {1,0,2,0, 0,1,0,-1, 1,1,0,0, 0,0,1,1},
 int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] minus = {-1}> {
  shape = Shape(x)
  batch = Gather<axis = 0>(shape, zero)
  time = Slice(shape, one, two, zero)
  heads = Concat<axis = 0>(batch, time, two, two)
  q = MatMul(x, wq)
  split = Reshape(q, heads)
  k = Transpose<perm = [0, 2, 3, 1]>(split)
  v = Transpose<perm = [0, 2, 1, 3]>(split)
  size = Gather<axis = 0>(heads, minus)
  real = Cast<to = 1>(size)
  root = Sqrt(real)
  raw = MatMul(v, k)
  scores = Div(raw, root)
  share = Softmax<axis = -1>(scores)
  mixed = MatMul(share, v)
  back = Transpose<perm = [0, 2, 1, 3]>(mixed)
  wide = Concat<axis = 0>(batch, time, minus)
  y = Reshape(back, wide)
}"""


def test_shapes_are_computed_while_tracing():
    net, params = tl.from_onnx(model(ATTENTION))
    assert list(params) == ["wq"]
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    (expected,) = by_onnxruntime(model(ATTENTION), {"x": x})
    # products of 4 and 2, softmax of 3, all below 10: a few ulps of 10
    assert np.abs(by_us(model(ATTENTION), {"x": x})[0] - expected).max() < 1e-5
    names = [e.primitive.name for e in jax.make_jaxpr(net)(params, x).eqns]
    assert not {"gather", "dynamic_slice", "concatenate"} & set(names)


def test_arithmetic_of_floats_stays_in_the_program():
    """The square root of 2 is not a float: folding it would change the divisor."""
    net, params = tl.from_onnx(model(ATTENTION))
    jaxpr = jax.make_jaxpr(net)(params, jnp.ones((2, 3, 4)))
    assert "sqrt" in [e.primitive.name for e in jaxpr.eqns]


def test_a_size_may_come_from_floats():
    """Upsampling as exporters write it: a size is the floor of a size times a scale."""
    text = """net (float[1, 1, 2, 3] x) => (float[1, 1, 5, 7] y)
    <float scale = {2.5}, float[0] none = {},
     int64[2] at = {2, 3}, int64[2] lead = {1, 1}>
    { s = Shape(x)  inner = Gather(s, at)  f = Cast<to = 1>(inner)  g = Mul(f, scale)
      h = Floor(g)  i = Cast<to = 7>(h)  sizes = Concat<axis = 0>(lead, i)
      y = Resize<mode = "nearest">(x, none, none, sizes) }"""
    net, params = tl.from_onnx(model(text))
    assert not params
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    assert (
        by_us(model(text), {"x": x})[0] == by_onnxruntime(model(text), {"x": x})[0]
    ).all()


SCALARS = " ".join(
    f"{name} = Constant<value_float = {number}>()"
    for name, number in (("one", 1.0), ("c", 41.0), ("zero", 0.0), ("far", 100.0))
)


@pytest.mark.parametrize(
    "body",
    [
        "b = Less(p, one)  s = Where(b, far, zero)",
        "s = Sub(q, one) q = Clip(one, p, p)",
    ],
)
def test_what_follows_from_rounded_constants_stays_in_the_program(body):
    """41 (1 / 41) is 1, and less than 1 in float32: over the reals, y = x."""
    assert np.float32(1) / np.float32(41) * np.float32(41) < 1
    text = f"""net (float[1] x) => (float[1] y) {{
      {SCALARS}  r = Div(one, c)  p = Mul(r, c)  {body}  y = Add(x, s) }}"""
    net, _ = tl.from_onnx(model(text))
    inputs = tl.box([1.0], radius=0.0)
    for sign, offset in ((1.0, 1.0), (-1.0, -1.0)):  # neither y > 1 nor y < 1
        spec = tl.spec.linear([[sign]], [offset])
        assert tl.verify(lambda x: net({}, x), inputs, spec).status == "refuted"


def test_defaults_of_attributes_have_32_bits():
    text = "net (double[1] x) => (double[1] y) { y = LeakyRelu(x) }"
    with jax.enable_x64(True):
        net, _ = tl.from_onnx(model(text))
        assert net({}, np.array([-1.0])) == -float(np.float32(0.01))


def test_the_first_selu_had_rounder_factors():
    text = "net (float[2] x) => (float[2] y) { y = Selu(x) }"
    gamma, alpha = (
        onnx.defs.get_schema("Selu", 1, "").attributes[name].default_value.f
        for name in ("gamma", "alpha")
    )
    y = tl.from_onnx(model(text, 1))[0]({}, jnp.array([1.0, -100.0]))
    assert y[0] == np.float32(gamma) and abs(y[1] / (-gamma * alpha) - 1) < 4 * EPS


def test_the_smallest_of_integers_of_every_type():
    """-128 and the unsigned have no negative."""
    for x in (np.uint8([3, 0, 200]), np.int8([3, -128, 100])):
        count = np.array([2])
        attributes = {"largest": 0}
        file, feeds = model_of(
            "TopK", (x, count), attributes, opset=11, fixed=[1], outputs=2
        )
        values, places = by_us(file, feeds)
        assert values.tolist() == sorted(x.tolist())[:2] and places.tolist() == [1, 0]


def test_a_power_of_another_type_is_not_rounded():
    file, _ = model_of("Pow", (np.int32([4]), np.float32([0.5])), opset=13, fixed=[1])
    with pytest.raises(tl.MissingOperatorError, match="int32 to the power of float32"):
        tl.from_onnx(file)


def test_an_output_shape_that_no_padding_gives_is_refused():
    x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 1), np.float32)
    attributes = {"strides": [2], "output_shape": [7]}
    file, feeds = model_of("ConvTranspose", (x, w), attributes, opset=11)
    with pytest.raises(tl.FileFormatError, match="asks for 7"):
        by_us(file, feeds)


def test_constants_in_the_graph():
    text = """net (float[2] x) => (float[2] y) {
      half = Constant<value_float = 0.5>()
      w = Constant<value_floats = [2.0, 3.0]>()
      a = Mul(x, half)  y = Mul(a, w) }"""
    net, params = tl.from_onnx(model(text))
    assert list(params) == ["w"]  # a single number is part of the formula
    assert net(params, jnp.ones(2)).tolist() == [1.0, 1.5]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Add<broadcast = 1, axis = 0>(x, b)", [[2, 3], [5, 6]]),
        ("y = Mul<broadcast = 1, axis = -2>(x, b)", [[1, 2], [6, 8]]),
        ("y = Sub<broadcast = 1>(x, b)", [[0, 0], [2, 2]]),
        ("y = Clip<min = 1.5, max = 3.0>(x)", [[1.5, 2], [3, 3]]),
        ("y = Gemm<broadcast = 1>(x, x, b)", [[8, 12], [16, 24]]),
        ("y = Softmax(z)  z = Sub(x, x)", [[0.5, 0.5], [0.5, 0.5]]),
        ("y = Reshape<shape = [1, -1]>(x)", [[1, 2, 3, 4]]),
        ("y = Slice<starts = [1], ends = [9], axes = [1]>(x)", [[2], [4]]),
        ("y = Pad<paddings = [0, 1, 0, 0], value = 7.0>(x)", [[7, 1, 2], [7, 3, 4]]),
        ("y = Concat(x, x)", [[1, 2, 1, 2], [3, 4, 3, 4]]),
        ("y = Dropout<is_test = 1>(x)", [[1, 2], [3, 4]]),
        ("y = Squeeze(z)  z = Unsqueeze<axes = [0]>(x)", [[1, 2], [3, 4]]),
        ("y = PRelu(z, b)  z = Neg(x)", [[-1, -4], [-3, -8]]),
    ],
)
def test_operator_sets_that_onnxruntime_has_forgotten(body, expected):
    """Opset 1, by hand: attributes that became inputs, and placed operands."""
    text = (
        f"net (float[2, 2] x) => (float[2, 2] y) <float[2] b = {{1, 2}}> {{ {body} }}"
    )
    net, params = tl.from_onnx(model(text, opset=1))
    assert net(params, jnp.array([[1.0, 2], [3, 4]])).tolist() == expected


def test_same_padding_of_dilated_windows():
    """onnxruntime refuses these. Reach 5: SAME pads 2 on both sides of 8."""
    ones = np.ones((1, 1, 3), np.float32)
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
    attributes = {"auto_pad": "SAME_UPPER", "dilations": [2]}
    (y,) = by_us(*model_of("Conv", (x, ones), attributes, opset=13))
    padded = np.pad(x[0, 0], 2)
    assert (y[0, 0] == padded[:8] + padded[2:10] + padded[4:]).all()


def test_float64_needs_64_bit_types():
    file, feeds = model_of("Exp", (np.float64([0.1, -3]),), opset=13)
    with pytest.raises(tl.InputError, match="enable_x64"):
        tl.from_onnx(file)
    with jax.enable_x64(True):
        (found,) = by_us(file, feeds)
        net, params = tl.from_onnx(file)
    expected = by_onnxruntime(file, feeds)[0]
    assert found.dtype == np.float64 and np.abs(found / expected - 1).max() < 2.0**-49
    with pytest.raises(tl.InputError, match="enable_x64"):
        net(params, feeds["x0"])


def test_integers_that_do_not_fit_32_bits_are_refused():
    big = np.array([2**40])
    file, feeds = model_of("Add", (np.array([1]), big), opset=13, fixed=[1])
    with pytest.raises(tl.MissingOperatorError, match="64-bit"):
        tl.from_onnx(file)
    with jax.enable_x64(True):
        assert by_us(file, feeds)[0].tolist() == [2**40 + 1]


def test_half_precision_keeps_its_type():
    x = np.float16([0.1, 1.5, -2])
    file, feeds = model_of("Mul", (x, x), opset=13, fixed=[1])
    assert (by_us(file, feeds)[0] == by_onnxruntime(file, feeds)[0]).all()


def test_packed_files_are_read(tmp_path):
    path = tmp_path / "net.onnx.gz"
    path.write_bytes(gzip.compress(model(AFFINE).SerializeToString()))
    net, params = tl.from_onnx(path)
    assert net.name == "net" and net(params, jnp.ones((1, 2))).shape == (1, 3)


def test_functions_of_a_file_are_inlined():
    text = """<ir_version: 8, opset_import: ["" : 18, "own" : 1]>
    net (float[2] x) => (float[2] y) { y = own.twice(x) }
    <domain: "own", opset_import: ["" : 18, "own" : 1]>
    twice (x) => (y) { z = own.relu2(x)  y = Add(z, z) }
    <domain: "own", opset_import: ["" : 18]>
    relu2 (x) => (y) { y = Relu(x) }"""
    net, params = tl.from_onnx(onnx.parser.parse_model(text))
    assert net(params, jnp.array([-1.0, 2.0])).tolist() == [0, 4]


def test_nodes_may_come_in_any_order():
    text = "net (float[2] x) => (float[2] y) { y = Neg(z)  z = Exp(a)  a = Abs(x) }"
    net, params = tl.from_onnx(model(text))
    assert np.allclose(net(params, jnp.ones(2)), -np.e)


def test_external_data_is_read_from_the_folder(tmp_path):
    weights = np.arange(6, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(b"skip" * 4 + weights.tobytes())
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [6], [0.0] * 6)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {
        "location": "weights.bin",
        "offset": "16",
        "length": "24",
    }.items():
        tensor.external_data.add(key=key, value=value)
    file = model(
        "net (float[6] x) => (float[6] y) <float[6] w = {0,0,0,0,0,0}> \
                 { y = Add(x, w) }"
    )
    file.graph.initializer[0].CopyFrom(tensor)
    (tmp_path / "net.onnx").write_bytes(file.SerializeToString())
    net, params = tl.from_onnx(tmp_path / "net.onnx")
    assert net(params, jnp.zeros(6)).tolist() == weights.tolist()


def test_typed_and_raw_tensors_hold_the_same_numbers():
    for dtype in ("float32", "float16", "int8", "uint16", "int32", "int64", "bool"):
        array = np.array([0, 1, 3]).astype(dtype)
        raw = numpy_helper.from_array(array, "w")
        typed = helper.make_tensor("w", raw.data_type, [3], array)
        from torchlean_jax.onnx._tensors import to_array

        for tensor in (raw, typed):
            found = to_array(tensor, None)
            assert found.dtype == dtype and (found == array).all()


def test_a_network_composes_with_transformations():
    net, params = tl.from_onnx(model(AFFINE))
    x = jnp.ones((3, 1, 2))
    batch = jax.jit(jax.vmap(net, in_axes=(None, 0)))(params, x)
    assert batch.shape == (3, 1, 3)
    box = tl.box(jnp.ones((1, 2)), radius=0.5)
    bounds = tl.bounds(net)(params, box)
    assert bool(bounds.contains(net(params, jnp.ones((1, 2)))).all())
    verdict = tl.verify(net, (params, box), tl.spec.linear([1.0, 0, 0], 0.0))
    assert verdict.status == "proved"
