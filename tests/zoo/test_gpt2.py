"""GPT-2: published checkpoints mean what they meant, its claims hold, faults are found.

The oracle is the published program (openai/gpt-2, src/model.py) written again in NumPy
and float64, over the arrays of the file by their names there.
"""

import functools
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import FileFormatError, InputError, zoo
from torchlean_jax.cli import main
from torchlean_jax.zoo import _sampling as sample
from torchlean_jax.zoo import gpt2
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.gpt import model as shared
from torchlean_jax.zoo.gpt2 import checkpoint, claims, model

pytest.importorskip("safetensors", reason="an extra: torchlean-jax[safetensors]")
from safetensors.numpy import load_file, save_file

CONFIG = model.Config(width=4, depth=1, heads=2, context=5, vocabulary=6)
WIDTH, LAYERS, HEADS, PLACES, WORDS = 12, 2, 3, 7, 11
TOKENS = np.array([3, 10, 0, 3, 7])
KEY = jax.random.key(0)


def published():
    """A random checkpoint in the published layout."""
    draw = functools.partial(np.random.default_rng(0).normal, 0, 0.6)
    shapes: dict[str, tuple] = {
        "wte.weight": (WORDS, WIDTH),
        "wpe.weight": (PLACES, WIDTH),
    }
    for n in range(LAYERS):
        for name, ins, outs in (
            ("attn.c_attn", WIDTH, 3 * WIDTH),
            ("attn.c_proj", WIDTH, WIDTH),
            ("mlp.c_fc", WIDTH, 4 * WIDTH),
            ("mlp.c_proj", 4 * WIDTH, WIDTH),
        ):
            shapes[f"h.{n}.{name}.weight"] = (ins, outs)
            shapes[f"h.{n}.{name}.bias"] = (outs,)
    norms = [f"h.{n}.ln_{k}" for n in range(LAYERS) for k in (1, 2)] + ["ln_f"]
    for norm in norms:
        shapes |= {f"{norm}.{end}": (WIDTH,) for end in ("weight", "bias")}
    return {name: draw(size=s).astype(np.float32) for name, s in shapes.items()}


ARRAYS = published()
MASK = np.tri(PLACES, dtype=np.float32)[None, None]


def logits_of(arrays, tokens, heads=HEADS):
    w = {name: x.astype(np.float64) for name, x in arrays.items()}

    def norm(x, name):
        off = x - x.mean(-1, keepdims=True)
        scaled = off / np.sqrt((off**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def conv1d(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
    for n in range(LAYERS):
        query, key, value = np.split(
            conv1d(norm(x, f"h.{n}.ln_1"), f"h.{n}.attn.c_attn"), 3, -1
        )
        mixed = np.zeros_like(x)
        size = x.shape[-1] // heads
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            for t in range(len(tokens)):
                scores = key[: t + 1, part] @ query[t, part] / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                mixed[t, part] = weights / weights.sum() @ value[: t + 1, part]
        x = x + conv1d(mixed, f"h.{n}.attn.c_proj")
        inner = gelu(conv1d(norm(x, f"h.{n}.ln_2"), f"h.{n}.mlp.c_fc"))
        x = x + conv1d(inner, f"h.{n}.mlp.c_proj")
    return norm(x, "ln_f") @ w["wte.weight"].T


def saved(folder, arrays, **said):
    save_file(arrays, folder / "model.safetensors")
    said = {"model_type": "gpt2", "n_head": HEADS} | said
    (folder / "config.json").write_text(json.dumps(said))
    return folder


def far(trained, expected):
    """The largest error, in units of the largest logit."""
    found = np.asarray(jax.jit(trained.function())(jnp.asarray(TOKENS)), np.float64)
    return abs(found - expected).max() / abs(expected).max()


# float32 rounds by at most 6e-8 of a number; this is 160 such errors in a row, of the
# largest logit. The test after the next shows that it tells the faults apart.
NEAR = 1e-5


def test_a_published_checkpoint_means_what_it_meant(tmp_path):
    trained = gpt2.read(saved(tmp_path, ARRAYS))
    expected = logits_of(ARRAYS, TOKENS)
    assert far(trained, expected) < NEAR
    one_by_one, caches = [], trained.function("empty")()
    step = jax.jit(trained.function("step"))
    for position, token in enumerate(TOKENS):
        logits, caches = step(jnp.asarray(token), position, caches)
        one_by_one.append(logits)
    assert abs(np.stack(one_by_one) - expected).max() < NEAR * abs(expected).max()


@pytest.mark.parametrize("fault", ["transposed", "heads", "norms", "gelu"])
def test_a_wrong_reading_is_far_from_it(fault, tmp_path, monkeypatch):
    """The comparison above sees each: two of them fit all shapes."""
    if fault == "transposed":
        wrong = {
            name: x.T if name.endswith("attn.c_proj.weight") else x
            for name, x in ARRAYS.items()
        }
        trained = gpt2.read(
            saved(tmp_path, {k: np.ascontiguousarray(x) for k, x in wrong.items()})
        )
    elif fault == "heads":
        trained = gpt2.read(saved(tmp_path, ARRAYS), heads=2)
    elif fault == "norms":
        swapped = checkpoint.PARTS | {"norm_attention": "ln_2", "norm_mlp": "ln_1"}
        monkeypatch.setattr(checkpoint, "PARTS", swapped)
        trained = gpt2.read(saved(tmp_path, ARRAYS))
    else:
        gelu = jax.nn.gelu
        monkeypatch.setattr(jax.nn, "gelu", lambda x, approximate: gelu(x, False))
        trained = gpt2.read(saved(tmp_path, ARRAYS))
    assert far(trained, logits_of(ARRAYS, TOKENS)) > NEAR


def test_other_published_forms_are_the_same(tmp_path):
    """A prefix, masks, a repeated head, and half precision, exact in single."""
    expected = logits_of(ARRAYS, TOKENS)
    forms = {f"transformer.{name}": x for name, x in ARRAYS.items()}
    forms |= {f"transformer.h.{n}.attn.bias": MASK for n in range(LAYERS)}
    forms["transformer.h.0.attn.masked_bias"] = np.array(-1e4, np.float32)
    forms["lm_head.weight"] = ARRAYS["wte.weight"]
    assert far(gpt2.read(saved(tmp_path, forms)), expected) < NEAR
    halves = {name: x.astype(np.float16) for name, x in ARRAYS.items()}
    trained = gpt2.read(saved(tmp_path, halves))
    assert trained.variables.params["norm.scale"].dtype == np.float32
    assert far(trained, logits_of(halves, TOKENS)) < NEAR


def test_what_is_written_is_the_published_layout(tmp_path):
    trained = gpt2.read(saved(tmp_path, ARRAYS))
    gpt2.write(tmp_path / "again.safetensors", trained.variables)
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == ARRAYS.keys()
    for name, x in ARRAYS.items():
        assert again[name].tobytes() == x.tobytes() and again[name].shape == x.shape


def without(name):
    return {k: x for k, x in ARRAYS.items() if k != name}


BAD = {
    r"h.1.ln_2.bias\): missing": without("h.1.ln_2.bias"),
    "h.0.attn.c_attn.scale .*unknown": ARRAYS | {"h.0.attn.c_attn.scale": np.ones(1)},
    r"c_attn.weight\): float32\[36, 12\], needed float32\[12, 36\]": ARRAYS
    | {"h.0.attn.c_attn.weight": np.ones((36, 12), np.float32)},
    r"ln_f.bias\): int32\[12\], needed float32\[12\]": ARRAYS
    | {"ln_f.bias": np.ones(12, np.int32)},
    "wte.weight and wpe.weight are needed": without("wpe.weight"),
    "another mask": ARRAYS | {"h.0.attn.bias": np.ones_like(MASK)},
    "a head that is not the embedding": ARRAYS
    | {"lm_head.weight": ARRAYS["wte.weight"] + 1},
}


@pytest.mark.parametrize("said", BAD)
def test_a_checkpoint_that_does_not_fit_is_refused(said, tmp_path):
    with pytest.raises(InputError, match=said):
        gpt2.read(saved(tmp_path, BAD[said]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_function", "relu"),
        ("scale_attn_by_inverse_layer_idx", True),
        ("layer_norm_epsilon", 1e-6),
        ("n_layer", 3),
        ("n_head", 5),
        ("n_inner", 24),
    ],
)
def test_another_model_in_the_config_is_refused(name, value, tmp_path):
    with pytest.raises(InputError, match=rf"{name}|{value} heads"):
        gpt2.read(saved(tmp_path, ARRAYS, **{name: value}))


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        gpt2.read(tmp_path)
    saved(tmp_path, ARRAYS)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FileFormatError, match="not JSON"):
        gpt2.read(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"none")
    with pytest.raises(FileFormatError):
        zoo.load_trained(gpt2.ENTRY, tmp_path / "model.safetensors")


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim):
    finding = check_claim(claim, zoo.untrained(gpt2.make(CONFIG)))
    assert finding.status == "holds", finding.evidence


def fails(claim):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    return check_claim(claim, zoo.untrained(gpt2.make(CONFIG))).status == "fails"


def test_a_mask_that_is_off_by_one_is_found(monkeypatch):
    def leaks(queries, keys):
        return keys[..., None, :] <= queries[..., :, None] + 1

    monkeypatch.setattr(model, "causal", leaks)
    assert fails(claims.is_causal)


def test_a_norm_over_the_batch_is_found(monkeypatch):
    right = model.Layer.mixed
    monkeypatch.setattr(
        model.Layer, "mixed", lambda self, x: right(self, x - x.mean(0))
    )
    assert fails(claims.rows_are_independent)


def test_a_position_that_is_late_is_found(monkeypatch):
    right = model.GPT2.step
    monkeypatch.setattr(
        model.GPT2,
        "step",
        lambda self, token, at, caches: right(self, token, max(at - 1, 0), caches),
    )
    assert fails(claims.a_layer_decodes_as_it_reads)


def test_an_array_that_changes_is_found(monkeypatch):
    right = checkpoint.write

    def rounded(path, variables):
        params = dict(variables.params)
        params["norm.scale"] = params["norm.scale"] + jnp.float32(2**-20)
        right(path, variables._replace(params=params))

    monkeypatch.setattr(checkpoint, "write", rounded)
    assert fails(claims.a_checkpoint_has_every_bit)


def test_more_tokens_than_positions_are_refused():
    tiny = zoo.untrained(gpt2.make(CONFIG))
    with pytest.raises(InputError, match="6 tokens: there are 5 positions"):
        tiny.function()(jnp.zeros(6, jnp.int32))


def test_a_published_checkpoint_is_sampled_from(tmp_path):
    """Through the path that `--checkpoint` takes."""
    trained = zoo.load_trained(gpt2.ENTRY, saved(tmp_path, ARRAYS))
    greedy = sample.Sampling(length=2, temperature=0)
    prompt = list(TOKENS[:3])
    found = sample.generate(
        trained.entry.network,
        trained.variables,
        PLACES,
        prompt,
        greedy,
        KEY,  # pyright: ignore
    )
    for _ in range(2):
        prompt.append(int(logits_of(ARRAYS, np.array(prompt))[-1].argmax()))
    assert found.tolist() == prompt


def test_tokens_that_are_no_bytes_make_no_text(tmp_path, capsys):
    """Their numbers need the encoder that they were made by."""
    folder = str(saved(tmp_path, ARRAYS))
    assert main(["sample", "gpt2", "--checkpoint", folder, "--prompt", "a"]) == 2
    assert "its tokens are no bytes" in capsys.readouterr().err


def test_training_learns_something():
    entry = gpt2.make(model.Config(width=16, depth=1, heads=2, context=16))
    trained = zoo.train(entry, replace(entry.settings, steps=40, warmup=5))
    assert trained.metrics["bits_per_byte"] < 7  # 8 is chance
    assert shared.VOCABULARY == 256
