"""Graphs without parameters (`torchlean.ir.v1`): whether they fit together.

Nodes have ids 0, 1, 2..., parents that come before them, a kind, and a shape, which has
to be the one that the kind gives for the shapes of the parents. Nothing is said about
values, for the parameters are elsewhere. Kinds without a rule here are refused by name.
"""

import math

from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._plain_json import take
from torchlean_check._schema import checked, checked_shape, fail

MAX_NODES = 20_000
Shape = tuple[int, ...]

SAME = "relu tanh sigmoid softplus exp log sin cos abs sqrt inv detach".split()
PAIRS = "add sub mul_elem max_elem min_elem".split()


def check_graph_file(document: dict) -> str:
    document = take(document, "graph", input_id=int, output_id=int, nodes=list)
    nodes, shapes, kinds = document["nodes"], [], []
    if not 1 <= len(nodes) <= MAX_NODES:
        fail("nodes", f"1 to {MAX_NODES} nodes")
    for k, node in enumerate(nodes):
        where = f"nodes[{k}]"
        head = take(node, where, ("value_kind",), id=int, kind=str, parents=[int],
                    shape=[int], value_kind=str)  # fmt: skip
        if head["value_kind"] not in (None, "tensor"):
            raise UnsupportedCertificate("a node that is no tensor", where)
        if head["id"] != k:
            raise NotProved(f"node {k} has id {head['id']}", where)
        if any(not 0 <= p < k for p in head["parents"]):
            raise NotProved(f"parents {head['parents']} do not come before {k}", where)
        declared = checked_shape(head["shape"], f"{where}.shape")
        parents = [shapes[p] for p in head["parents"]]
        derived = _shape(head["kind"], node, parents, declared, where)
        if derived != declared:
            raise NotProved(
                f"the shape is {list(derived)}, not {list(declared)}", where
            )
        shapes.append(declared)
        kinds.append(head["kind"])
    for name in ("input_id", "output_id"):
        if not 0 <= document[name] < len(nodes):
            fail(name, f"must be in 0 .. {len(nodes) - 1}")
    first, last = document["input_id"], document["output_id"]
    if kinds[first] != "input":
        raise NotProved(f"node {first} is {kinds[first]}, no input", "input_id")
    return (
        f"The {len(nodes)} nodes of the graph come after their parents and have the "
        f"shapes that their kinds give: from {list(shapes[first])} to "
        f"{list(shapes[last])}. Nothing is said about values: the file holds no "
        "parameters. Assumed: nothing further."
    )


def _shape(kind, node, parents: list[Shape], declared: Shape, where) -> Shape:
    if kind in ("input", "const", "rand_uniform"):
        _with(parents, 0, where)
        return declared
    if kind in SAME:
        return _with(parents, 1, where)[0]
    if kind in PAIRS or kind == "mse_loss":
        one, two = _with(parents, 2, where)
        if one != two:
            raise NotProved(f"{kind} of {list(one)} and {list(two)}", where)
        return () if kind == "mse_loss" else one
    if kind == "matmul":
        one, two = _with(parents, 2, where)
        return _product(one, two, where)
    if kind == "concat":
        return _joined(node, parents, where)
    if kind not in _ONE:
        raise UnsupportedCertificate(f"no rule for the kind {kind[:40]!r}", where)
    return _ONE[kind](node, _with(parents, 1, where)[0], declared, where)


def _with(parents: list[Shape], count: int, where) -> list[Shape]:
    if len(parents) != count:
        raise NotProved(f"{len(parents)} parents, not {count}", where)
    return parents


def _axis(node, rank: int, where) -> int:
    axis = take(node, where, axis=int)["axis"]
    if not 0 <= axis < rank:
        raise NotProved(f"axis {axis} of {rank} axes", where)
    return axis


def _product(one: Shape, two: Shape, where) -> Shape:
    """Of two matrices, or of two stacks of as many."""
    if not (len(one) == len(two) in (2, 3) and one[:-2] == two[:-2]
            and one[-1] == two[-2]):  # fmt: skip
        raise NotProved(f"matmul of {list(one)} and {list(two)}", where)
    return (*one[:-1], two[-1])


def _joined(node, parents: list[Shape], where) -> Shape:
    if not parents:
        raise NotProved("concat of nothing", where)
    axis = _axis(node, len(parents[0]), where)
    rests = {(*s[:axis], *s[axis + 1 :]) for s in parents if len(s) > axis}
    if len(rests) != 1 or len({len(s) for s in parents}) != 1:
        raise NotProved(f"concat of {[list(s) for s in parents]}", where)
    total = sum(s[axis] for s in parents)
    return (*parents[0][:axis], total, *parents[0][axis + 1 :])


def _linear(node, shape, declared, where):
    if not shape or not declared or shape[:-1] != declared[:-1]:
        raise NotProved(f"linear from {list(shape)} to {list(declared)}", where)
    return declared


def _reduced(node, shape, declared, where):
    axis = _axis(node, len(shape), where)
    return (*shape[:axis], *shape[axis + 1 :])


def _kept(node, shape, declared, where):
    _axis(node, len(shape), where)
    return shape


def _permuted(node, shape, declared, where):
    perm = take(node, where, perm=[int])["perm"]
    if sorted(perm) != list(range(len(shape))):
        raise NotProved(f"perm {perm} of {len(shape)} axes", where)
    return tuple(shape[k] for k in perm)


def _reshaped(node, shape, declared, where):
    said = take(node, where, in_shape=[int], out_shape=[int])
    if tuple(said["in_shape"]) != shape or math.prod(said["out_shape"]) != math.prod(
        shape
    ):
        raise NotProved(f"{list(shape)} as {said['in_shape']} to {said['out_shape']}",
                        where)  # fmt: skip
    return checked_shape(said["out_shape"], where)


def _flat(node, shape, declared, where):
    if tuple(checked(node.get("value_shape"), [int], where)) != shape:
        raise NotProved(f"value_shape is not {list(shape)}", where)
    return (math.prod(shape),)


def _broadcast(node, shape, declared, where):
    said = take(node, where, from_shape=[int], to_shape=[int])
    to = checked_shape(said["to_shape"], where)
    pairs = zip(shape[::-1], to[::-1], strict=False)
    if (tuple(said["from_shape"]) != shape or len(to) < len(shape)
            or any(a not in (1, b) for a, b in pairs)):  # fmt: skip
        raise NotProved(f"{list(shape)} cannot be broadcast to {list(to)}", where)
    return to


_ONE = {
    "linear": _linear,
    "reduce_sum": _reduced,
    "reduce_mean": _reduced,
    "softmax": _kept,
    "layernorm": _kept,
    "permute": _permuted,
    "reshape": _reshaped,
    "flatten": _flat,
    "broadcast_to": _broadcast,
    "sum": lambda node, shape, declared, where: (),
}
