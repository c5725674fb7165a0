"""One-node models, run by us and by onnxruntime, which is the oracle."""

import jax
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import torchlean_jax as tl

EPS = 2.0**-24  # half an ulp of 1: the unit roundoff of float32


def code(array):
    return helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)


def model_of(op, arrays, attributes=None, *, opset, fixed=(), outputs=1, domain=""):
    """A model with one node. Inputs at the positions `fixed` are initializers; an input
    that is None is absent."""
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(arrays)]
    node = helper.make_node(
        op,
        names,
        [f"y{i}" for i in range(outputs)],
        name="the_node",
        domain=domain,
        **(attributes or {}),
    )
    given = [i for i, a in enumerate(arrays) if a is not None and i not in fixed]
    graph = helper.make_graph(
        [node],
        "one_node",
        [
            helper.make_tensor_value_info(names[i], code(arrays[i]), arrays[i].shape)
            for i in given
        ],
        [
            helper.make_tensor_value_info(f"y{i}", TensorProto.UNDEFINED, None)
            for i in range(outputs)
        ],
        [numpy_helper.from_array(np.asarray(arrays[i]), names[i]) for i in fixed],
    )
    for value in graph.output:
        value.ClearField("type")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = min(model.ir_version, 10)
    return model, {names[i]: arrays[i] for i in given}


def by_onnxruntime(model, feeds):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    inferred = onnx.shape_inference.infer_shapes(model)
    session = ort.InferenceSession(
        inferred.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def by_us(model, feeds, known=None):
    """known: results by program, of other models with the same feeds and weights."""
    network, params = tl.from_onnx(model)
    given = [feeds[declared.name] for declared in network.inputs]
    program = None
    if known is not None:
        traced = jax.make_jaxpr(network)(params, *given)
        program = str(traced), *(np.asarray(c).tobytes() for c in traced.consts)
        if program in known:
            return known[program]
    found = jax.jit(network)(params, *given)
    found = [np.asarray(y) for y in (found if isinstance(found, tuple) else (found,))]
    if known is not None:
        known[program] = found
    return found


def gamma(count, unit=EPS):
    """Higham's bound of the relative error of `count` roundings."""
    return count * unit / (1 - count * unit)
