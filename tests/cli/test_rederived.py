"""Files with bounds and no network: consistent, or proved again with the network."""

import hashlib
import json
from fractions import Fraction

import numpy as np
import pytest

from torchlean_jax.cli import main

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(3, 4)).astype(np.float32)
BIAS = RNG.normal(size=3).astype(np.float32)
IMAGES = RNG.uniform(size=(6, 4)).round(2)
EPS = 0.0625


def exact_range(x):
    """Of each logit of the linear network, in Fractions."""
    lo = [min(max(Fraction(v) - Fraction(EPS), 0), 1) for v in map(float, x)]
    hi = [min(max(Fraction(v) + Fraction(EPS), 0), 1) for v in map(float, x)]
    rows = [[Fraction(float(w)) for w in row] for row in WEIGHTS]
    ends = [
        [Fraction(float(b)) + sum(w * (s if (w > 0) == up else t)
                                  for w, t, s in zip(row, lo, hi, strict=True))
         for row, b in zip(rows, BIAS, strict=True)]
        for up in (False, True)
    ]  # fmt: skip
    return ends


@pytest.fixture
def files(tmp_path):
    examples, labels = [], []
    for x in IMAGES:
        lo, hi = exact_range(x)
        label = int(np.argmax([float(a + b) for a, b in zip(lo, hi, strict=True)]))
        labels.append(label)
        low = [float(v) - 1e-9 for v in lo]
        high = [float(v) + 1e-9 for v in hi]
        certified = low[label] > max(v for k, v in enumerate(high) if k != label)
        examples.append({"label": label, "certified": certified, "logits_lo": low,
                         "logits_hi": high})  # fmt: skip
    assert sum(e["certified"] for e in examples) > 0
    weights = {"layers.0.weight": WEIGHTS.tolist(), "layers.0.bias": BIAS.tolist()}
    data = {"examples": [{"x": x.tolist(), "y": y}
                         for x, y in zip(IMAGES, labels, strict=True)]}  # fmt: skip
    (tmp_path / "net.json").write_text(json.dumps(weights))
    (tmp_path / "data.json").write_text(json.dumps(data))
    return tmp_path, {"format": "robust_margin_cert_v0_1", "eps": EPS,
                      "num_classes": 3, "examples": examples}  # fmt: skip


def run(folder, document, *more, kind="margin-cert", weights=True):
    path = folder / "file.json"
    path.write_text(json.dumps(document))
    words = ["--weights", str(folder / "net.json")] if weights else []
    return main(["verify", kind, str(path), *words, *more])


def test_margins_are_proved_again(files, capsys):
    folder, document = files
    data = ["--data", str(folder / "data.json")]
    out = folder / "out.json"
    assert run(folder, document, weights=False) == 0
    assert "Assumed: those bounds" in capsys.readouterr().out
    assert run(folder, document, *data, "--json", str(out)) == 0
    verdicts = json.loads(out.read_text())["verdicts"]
    certified = sum(e["certified"] for e in document["examples"])
    assert list(verdicts.values()) == ["proved"] * certified
    # bounds of nobody's network, consistent in themselves: believed by no one
    for example in document["examples"]:
        k = example["label"] = (example["label"] + 1) % 3
        example["logits_lo"] = [float(j == k) for j in range(3)]
        example["logits_hi"] = [float(j == k) for j in range(3)]
        example["certified"] = True
    assert run(folder, document, weights=False) == 0
    assert run(folder, document, *data) == 1
    assert "refuted" in capsys.readouterr().out
    document["meta"] = {"weights_sha256": hashlib.sha256(b"").hexdigest()}
    assert run(folder, document, *data) == 2
    assert "SHA-256" in capsys.readouterr().err


def leaves(threshold):
    """[0, 1]^4 in two halves; the witness is output 0."""
    halves = [([0.0] * 4, [0.5, 1.0, 1.0, 1.0]), ([0.5, 0.0, 0.0, 0.0], [1.0] * 4)]
    return {
        "format": "abcrown_leaf_artifact_v0_1",
        "input_dim": 4,
        "root": {"lo": [0.0] * 4, "hi": [1.0] * 4},
        "leaves": [
            {"lo": lo, "hi": hi, "lb": [threshold + 1.0, 0.0, 0.0],
             "threshold": [threshold, 9.0, 9.0]} for lo, hi in halves
        ],
    }  # fmt: skip


def test_leaves_are_proved_again(files, capsys):
    folder, _ = files
    least = float(BIAS[0]) + float(np.minimum(WEIGHTS[0], 0).astype(float).sum())
    assert run(folder, leaves(least - 1e-3), kind="leaf-cert") == 0
    assert "2 proved" in capsys.readouterr().out
    assert run(folder, leaves(least + 1e-3), kind="leaf-cert") == 1
    assert "refuted" in capsys.readouterr().out
    assert run(folder, leaves(least + 1e-3), kind="leaf-cert", weights=False) == 0
    cut = leaves(0.0)
    cut["leaves"].pop()
    assert run(folder, cut, kind="leaf-cert", weights=False) == 1
    assert "no leaf holds" in capsys.readouterr().out


def test_bad_files_are_named(files, capsys):
    folder, document = files
    assert run(folder, document) == 2  # no --data
    assert run(folder, document, kind="leaf-cert") == 2
    assert "is not abcrown_leaf" in capsys.readouterr().err
    net = json.loads((folder / "net.json").read_text())
    net["layers.0.bias"][0] = 0.1
    (folder / "net.json").write_text(json.dumps(net))
    assert run(folder, leaves(-99.0), kind="leaf-cert") == 2
    assert "not float32 numbers" in capsys.readouterr().err
