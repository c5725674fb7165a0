"""`from_safetensors`, `to_safetensors`: the arrays of a pytree from a file, and back.

Names, transposes and dtypes are said by the caller and checked; none is guessed. How
the file is read and written stands in `_safetensors_file`.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import _safetensors_file as file
from torchlean_jax._named_arrays import differences, named, require_none
from torchlean_jax.domains._errors import InputError

Place = str | tuple[str, str | tuple[int, ...]]
NameMap = Mapping[str, Place] | Callable[[str], Place]


def from_safetensors(
    path: os.PathLike | str,
    like: Any,
    *,
    names: NameMap | None = None,
    dtype: Any = None,
    ignore: Iterable[str] = (),
) -> Any:
    """The pytree `like`, with the arrays that a safetensors file holds for it.

    like: a pytree of arrays, or of what `jax.eval_shape` gives for them: its structure,
        shapes and dtypes are what is needed, its values are not read.
    names: for each array of `like`, what the file calls it, as a dictionary or a
        function from our name to theirs; without it they are the same. Ours are paths
        in the pytree, joined by dots: `layers.0.kernel`. `(theirs, layout)` says in
        addition how the axes lie in the file: `"linear"` for `[out, in]`, ours
        `[in, out]`; `"conv"` for `[out, in, *window]`, ours `[*window, in, out]`; or
        the axes, as in `ours = theirs.transpose(axes)`. Two of ours may name one of
        theirs.
    dtype: float64, float32, float16 or bfloat16. Floating arrays of the file are
        rounded to it, to nearest, and those of `like` are taken to be of it. Without
        it, dtypes have to be the same.
    ignore: names in the file that are left aside; also patterns, such as
        `h.*.attn.mask`.

    Raises InputError listing, all at once, what is missing, unknown, without a name, of
    another shape or dtype, too large for `dtype`, or what JAX would cut to 32 bits;
    FileFormatError for a damaged file; MissingExtraError without the package
    (`pip install 'torchlean-jax[safetensors]'`).

    >>> import tempfile, pathlib, jax.numpy as jnp
    >>> params = {"kernel": jnp.ones((3, 2)), "bias": jnp.arange(2.0)}
    >>> names = {"kernel": ("fc.weight", "linear"), "bias": "fc.bias"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "fc.safetensors"
    ...     to_safetensors(path, params, names=names)
    ...     found = from_safetensors(path, params, names=names)
    >>> found["bias"]
    Array([0., 1.], dtype=float32)
    """
    path, dtype = Path(path), _floating(dtype)
    wanted, problems = _described(named(like), dtype)
    problems += [
        f"{name}: JAX would make it {cut}, without jax_enable_x64 not {x.dtype}"
        for name, x in wanted.items()
        if (cut := jax.dtypes.canonicalize_dtype(x.dtype)) != x.dtype
    ]
    places, unplaced = _places(names, wanted)
    stored = file.read(path)
    needed, given = {}, {}
    for ours, place in places.items():
        label = ours if place.name == ours else f"{ours} (in the file {place.name})"
        if place.name in stored:
            try:
                theirs = place.ours(stored[place.name])
                given[label] = file.rounded(theirs, dtype)
            except InputError as error:
                unplaced.append(f"{label}: {error}")
                continue
        needed[label] = wanted[ours]
    taken = {place.name for place in places.values()}
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    problems += unplaced + differences(given, needed)
    problems += [
        f"{name} (in the file): unknown"
        for name in sorted(stored.keys() - taken)
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    require_none(problems, said=f"{path} does not fit this model")
    leaves = [jnp.array(array) for array in given.values()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def to_safetensors(
    path: os.PathLike | str,
    tree: Any,
    *,
    names: NameMap | None = None,
    dtype: Any = None,
) -> None:
    """Writes the arrays of a pytree to a safetensors file, bit for bit.

    names, dtype: as for `from_safetensors`, so that the same `names` reads the file
        back: `"linear"` and `"conv"` write `[out, in]` and `[out, in, *window]`. Two
        arrays of one name are refused.

    The file is whole or absent. Raises InputError listing, all at once, arrays without
    a name or with the same one, leaves that are no arrays or of a dtype that the format
    lacks, and numbers too large for `dtype`; MissingExtraError without the package.

    >>> import tempfile, pathlib, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "half.safetensors"
    ...     to_safetensors(path, {"w": np.ones(3, "float32")}, dtype="bfloat16")
    ...     from_safetensors(path, {"w": np.ones(3)}, dtype="float32")
    {'w': Array([1., 1., 1.], dtype=float32)}
    """
    dtype = _floating(dtype)
    arrays = named(tree)
    wanted, problems = _described(arrays, None)
    places, unplaced = _places(names, wanted)
    problems += unplaced
    written: dict[str, np.ndarray] = {}
    for ours, place in places.items():
        if place.name in written or place.name == "__metadata__":
            problems.append(f"{ours}: the name {place.name!r} is taken in the file")
            continue
        try:
            array = place.theirs(np.asarray(arrays[ours]))
            written[place.name] = file.rounded(array, dtype)
        except InputError as error:
            problems.append(f"{ours}: {error}")
    require_none(problems, said=f"{path} cannot hold this")
    file.write(Path(path), written)


class _Place(NamedTuple):
    """A name in the file, and how the axes lie there."""

    name: str
    layout: str | tuple[int, ...] | None = None

    def ours(self, theirs: np.ndarray) -> np.ndarray:
        return theirs.transpose(self._axes(theirs.ndim))

    def theirs(self, ours: np.ndarray) -> np.ndarray:
        return ours.transpose(np.argsort(self._axes(ours.ndim)).astype(int))

    def _axes(self, rank: int) -> tuple[int, ...]:
        if self.layout == "linear" and rank == 2:
            return (1, 0)
        if self.layout == "conv" and rank >= 3:
            return (*range(2, rank), 1, 0)
        axes = tuple(range(rank)) if self.layout is None else self.layout
        if isinstance(axes, str) or sorted(axes) != list(range(rank)):
            raise InputError(f"{self.layout!r} is no layout of {rank} axes")
        return tuple(axes)


def _places(names: NameMap | None, ours: Iterable[str]):
    """For each of our names its place in the file, and the names that have none."""
    ours, found, problems = list(ours), {}, []
    if isinstance(names, Mapping):
        unknown = sorted(map(str, names.keys() - set(ours)))
        problems += [f"{name}: in names, but no array of this" for name in unknown]
        look = names.get
    else:
        look = names or str
    for name in ours:
        place = look(name)
        theirs, layout = place, None
        if isinstance(place, tuple) and len(place) == 2:
            theirs, layout = place
        if isinstance(theirs, str):
            found[name] = _Place(theirs, layout)
        else:
            problems.append(f"{name}: names gives {place!r}, not a name in the file")
    return found, problems


def _described(arrays: dict[str, Any], dtype):
    """The shape and dtype of each array, floats as `dtype`, and what cannot be one."""
    found, problems = {}, []
    for name, x in arrays.items():
        if not (hasattr(x, "shape") and hasattr(x, "dtype")):
            problems.append(f"{name}: {type(x).__name__}, not an array")
            continue
        if x.dtype not in file.TYPES.values():
            problems.append(f"{name}: the format has no dtype {x.dtype}")
            continue
        cast = dtype is not None and jnp.issubdtype(x.dtype, jnp.floating)
        found[name] = jax.ShapeDtypeStruct(x.shape, dtype if cast else x.dtype)
    return found, problems


def _floating(dtype) -> np.dtype | None:
    """The dtype to round to. Raises InputError if arrays are not rounded to it."""
    if dtype is None:
        return None
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found in file.ROUNDED:
        return found
    raise InputError(
        f"dtype: one of {', '.join(map(str, file.ROUNDED))} is needed; got {dtype!r}"
    )
