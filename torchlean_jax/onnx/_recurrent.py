"""Recurrent layers: RNN, GRU and LSTM, as one scan for each direction."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import (
    UnsupportedError,
    define,
    known_ints,
    same_dtype,
)

_FUNCTIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


def _directions(node) -> tuple[bool, ...]:
    """Whether each direction of the layer runs backwards in time."""
    said = node.text("direction", "forward")
    if said not in _DIRECTIONS:
        raise FileFormatError(f"direction={said!r}")
    return _DIRECTIONS[said]


def _activations(node, names, count):
    """The functions of each direction; `names` unless the node names some."""
    node.ignore("hidden_size")  # the weights have it
    for name in ("activation_alpha", "activation_beta"):
        if node.integers(name, []):  # no function in the table below has such a number
            raise UnsupportedError(name)
    if node.number("clip", None) is not None:
        raise UnsupportedError("clip")
    if node.integer("layout", 0):
        raise UnsupportedError("layout=1 (batches first)")
    said = node.texts("activations") or names * count
    if len(said) != len(names) * count:
        raise FileFormatError(f"{len(said)} activations for {count} directions")
    unknown = [name for name in said if str(name).lower() not in _FUNCTIONS]
    if unknown:
        raise UnsupportedError(f"the activation {unknown[0]}")
    functions = [_FUNCTIONS[name.lower()] for name in said]
    size = len(names)
    return [functions[i * size : (i + 1) * size] for i in range(count)]


def _layer(node, x, w, r, b, lengths, states, *, gates, names, step):
    """All directions of a layer: outputs of each time, and the last of each state.

    step(functions, weights of the state, biases, projected input, states) -> states.
    """
    backwards = _directions(node)
    functions = _activations(node, names, len(backwards))
    hidden = r.shape[-1]
    wanted = (len(backwards), gates * hidden)
    if x.ndim != 3 or w.shape != (*wanted, x.shape[-1]) or r.shape != (*wanted, hidden):
        raise FileFormatError(
            f"{node.op_type} of x{list(x.shape)}, W{list(w.shape)}, R{list(r.shape)}"
        )
    if b is None:
        b = jnp.zeros((len(backwards), 2 * gates * hidden), x.dtype)
    same_dtype(x, w, r, b)
    if lengths is not None and set(known_ints(lengths)) != {x.shape[0]}:
        raise UnsupportedError("sequences of different lengths")
    start = jnp.zeros((len(backwards), x.shape[1], hidden), x.dtype)
    states = tuple(start if s is None else s for s in states)
    same_dtype(x, *states)
    everything, last = [], []
    for i, reverse in enumerate(backwards):
        of_input, of_state = jnp.split(b[i], 2)

        def one(carry, projected, i=i, of_state=of_state):
            carry = step(functions[i], r[i], of_state, projected, carry)
            return carry, carry[0]

        projected = x @ w[i].T + of_input
        carry = tuple(s[i] for s in states)
        carry, outputs = lax.scan(one, carry, projected, reverse=reverse)
        everything.append(outputs)
        last.append(carry)
    return jnp.stack(everything, axis=1), *map(jnp.stack, zip(*last, strict=True))


def _rnn_step(functions, r, b, x, states):
    (h,) = states
    return (functions[0](x + h @ r.T + b),)


def _gru_step(reset_after, functions, r, b, x, states):
    (h,), (gate, candidate) = states, functions
    hidden = h.shape[-1]
    cuts = [2 * hidden]
    (gates_x, new_x), (gates_b, new_b) = jnp.split(x, cuts, -1), jnp.split(b, cuts)
    gates_r, new_r = jnp.split(r, cuts)
    z, reset = jnp.split(gate(gates_x + h @ gates_r.T + gates_b), 2, -1)
    inner = (
        reset * (h @ new_r.T + new_b) if reset_after else (reset * h) @ new_r.T + new_b
    )
    return ((1 - z) * candidate(new_x + inner) + z * h,)


def _lstm_step(peepholes, functions, r, b, x, states):
    (h, c), (gate, candidate, output) = states, functions
    i, o, f, g = jnp.split(x + h @ r.T + b, 4, -1)
    of_i, of_o, of_f = (None,) * 3 if peepholes is None else jnp.split(peepholes, 3)
    c = gate(_peeping(f, of_f, c)) * c + gate(_peeping(i, of_i, c)) * candidate(g)
    return gate(_peeping(o, of_o, c)) * output(c), c


def _peeping(x, weights, cell):
    return x if weights is None else x + weights * cell


@define("RNN", "7 14 22", static=[4])
def _rnn(node, x, w, r, b=None, lengths=None, h=None):
    return _layer(
        node, x, w, r, b, lengths, (h,), gates=1, names=["Tanh"], step=_rnn_step
    )


@define("GRU", "7 14 22", static=[4])
def _gru(node, x, w, r, b=None, lengths=None, h=None):
    step = functools.partial(_gru_step, bool(node.integer("linear_before_reset", 0)))
    names = ["Sigmoid", "Tanh"]
    return _layer(node, x, w, r, b, lengths, (h,), gates=3, names=names, step=step)


@define("LSTM", "7 14 22", static=[4])
def _lstm(node, x, w, r, b=None, lengths=None, h=None, c=None, peepholes=None):
    if node.integer("input_forget", 0):
        raise UnsupportedError("input_forget=1")
    if peepholes is not None and len(peepholes) > 1:
        raise UnsupportedError("peepholes in two directions")
    step = functools.partial(_lstm_step, None if peepholes is None else peepholes[0])
    names = ["Sigmoid", "Tanh", "Tanh"]
    return _layer(node, x, w, r, b, lengths, (h, c), gates=4, names=names, step=step)
