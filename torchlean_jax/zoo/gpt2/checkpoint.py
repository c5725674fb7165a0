"""GPT-2 checkpoints as they are published: safetensors, and sizes in `config.json`.

`c_attn`, `c_proj` and `c_fc` are stored `[in, out]`, as ours are, and not `[out, in]`
as most layers of that file format: of the square `c_proj` no shape would tell. What a
`config.json` asks for and this model does not compute is refused.
"""

import json
import os
from pathlib import Path

import jax
import numpy as np

from torchlean_jax import _safetensors_file as file
from torchlean_jax._safetensors import from_safetensors, to_safetensors
from torchlean_jax.domains._errors import FileFormatError, InputError
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo.gpt2.model import Config, network

PARTS = {
    "norm_attention": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "norm_mlp": "ln_2",
    "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}
WHOLE = {"embedding": "wte", "positions": "wpe", "norm": "ln_f"}
ENDS = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
HEAD = 64  # the size of a head in every published GPT-2
# of a `config.json`: what this model computes, where the file says anything
COMPUTED = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}


def published(name: str) -> str:
    """What the published layout calls an array of ours.

    >>> published("blocks.3.attention.qkv.kernel")
    'h.3.attn.c_attn.weight'
    """
    first, *middle, end = name.split(".")
    if first == "blocks":
        number, *part = middle
        return f"h.{number}.{PARTS['.'.join(part)]}.{ENDS[end]}"
    return f"{WHOLE[first]}.{ENDS[end]}"


def read(path: os.PathLike | str, heads: int | None = None):
    """(config, variables) of a `.safetensors` file, or of a folder with
    `model.safetensors`.

    heads: of attention; by default those of the `config.json` beside the file, or, as
    in every published size, one for 64 numbers of width. Names may begin with
    `transformer.`. Masks and a head of logits that repeats the embedding are checked
    and left out. float16 and bfloat16 become float32.

    Raises InputError, which lists every array that is missing, unknown or of another
    shape or dtype, and what `config.json` asks for and this model does not compute;
    FileFormatError for a damaged file.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    stored = file.read(path)
    prefix = "transformer." if "transformer.wte.weight" in stored else ""
    config = _config(path, stored, prefix, heads)
    like = jax.eval_shape(lambda: network(config).init(jax.random.key(0)).params)
    params = from_safetensors(
        path,
        like=dict(like),
        names={name: prefix + published(name) for name in like},
        dtype="float32",
        ignore=_repeated(path, stored, prefix),
    )
    return config, Variables(params, {})


def write(path: os.PathLike | str, variables: Variables) -> None:
    """A `.safetensors` file of the published layout: what `read` reads, in its bits."""
    to_safetensors(path, variables.params, names=published)


def _config(path: Path, stored, prefix: str, heads: int | None) -> Config:
    """The sizes that the arrays have, and the heads that they do not show."""
    tables = [stored.get(f"{prefix}{name}.weight") for name in ("wte", "wpe")]
    if any(table is None or table.ndim != 2 for table in tables):
        raise InputError(f"{path}: wte.weight and wpe.weight are needed, of two axes")
    (vocabulary, width), (context, _) = (table.shape for table in tables)
    layers = {
        name.removeprefix(prefix).split(".")[1]
        for name in stored
        if name.startswith(f"{prefix}h.")
    }
    said = _said(path.parent / "config.json")
    heads = heads or said.get("n_head") or max(width // HEAD, 1)
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise InputError(f"{path}: a width of {width} does not fall into {heads} heads")
    found = Config(width, len(layers), heads, context, vocabulary)
    sizes = {
        "n_embd": width,
        "n_layer": len(layers),
        "n_positions": context,
        "vocab_size": vocabulary,
        "n_inner": 4 * width,
    }
    wrong = [
        f"{name} {said[name]}, the arrays have {size}"
        for name, size in sizes.items()
        if said.get(name) not in (None, size)
    ]
    if wrong:
        raise InputError(f"{path.parent / 'config.json'}: {', '.join(wrong)}")
    return found


def _said(path: Path) -> dict:
    """What a `config.json` says, once nothing in it asks for another model."""
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text())
    except ValueError as error:
        raise FileFormatError(f"{path}: not JSON: {error}") from error
    if not isinstance(said, dict):
        raise FileFormatError(f"{path}: not an object of JSON")
    wrong = [
        f"{name} {said[name]!r}"
        for name, computed in COMPUTED.items()
        if name in said and said[name] not in computed
    ]
    if wrong:
        raise InputError(f"{path}: this model does not compute {', '.join(wrong)}")
    return said


def _repeated(path: Path, stored, prefix: str) -> list[str]:
    """The names of arrays that say what the model does anyway. Raises InputError for
    one that says something else."""
    found = []
    for name, array in stored.items():
        end = name.removeprefix(prefix)
        if name == "lm_head.weight":
            table = stored[f"{prefix}wte.weight"]
            right = array.shape == table.shape and (array == table).all()
        elif end.startswith("h.") and end.endswith(".attn.bias"):
            size = array.shape[-1]
            right = np.array_equal(array, np.tri(size)[None, None])
        elif end.startswith("h.") and end.endswith(".attn.masked_bias"):
            right = array.shape == () and float(array) <= -1e4
        else:
            continue
        if not right:
            raise InputError(
                f"{path}: {name} is not what GPT-2 has there: another mask, or a head "
                "that is not the embedding"
            )
        found.append(name)
    return found
