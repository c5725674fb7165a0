"""The digits MLP in integers, beside the float one: accuracy, certified robustness of
the integer program itself, its distance from the float model, and throughput.

    python benchmarks/quantized.py [--images 360] [--eps 0.02] [--speed]

Writes benchmarks/results/quantized.json; with `--speed` only its throughput, anew.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torchlean_jax as tl
from benchmarks._paired import RESULTS, circumstances, paired, write
from torchlean_jax.zoo import digits

SCHEMES = {
    "int8": "int8",
    "int8 per tensor, symmetric": tl.QuantizationScheme(
        per_channel=False, symmetric=True
    ),
    "int4 weights": tl.QuantizationScheme(weight_bits=4),
    "int4": "int4",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=360)
    parser.add_argument("--eps", type=float, default=0.02)
    parser.add_argument("--method", default="crown")
    parser.add_argument("--speed", action="store_true", help="throughput alone")
    arguments = parser.parse_args()
    data, model = digits.load(), digits.MODELS["mlp"]
    params = digits.train(model, data, certified=True)
    f = digits.classifier(model, params)
    test = jnp.asarray(data.test_images), np.asarray(data.test_labels)
    if arguments.speed:
        q = tl.quantize(f, data.train_images)
        report = json.loads((RESULTS / "quantized.json").read_text())
        write("quantized", report | speeds(f, q, test[0]))
        return
    rows = [{"format": "float32", **measured(f, *test, arguments)}]
    for name, scheme in SCHEMES.items():
        q = tl.quantize(f, data.train_images, scheme)
        rows.append({"format": name, **measured(q, *test, arguments)})
        rows[-1] |= distance(f, q, test[0], arguments)
    for row in rows:
        print(row, flush=True)
    q = tl.quantize(f, data.train_images)
    report = {
        **circumstances("jax", "jaxlib"),
        "eps": arguments.eps,
        "method": arguments.method,
        "images": arguments.images,
        "formats": rows,
        **speeds(f, q, test[0]),
    }
    write("quantized", report)


def measured(f, images, labels, arguments):
    """Accuracy on all held-out images, and how many of the first are certified."""
    guesses = np.asarray(jax.jit(jax.vmap(f))(images)).argmax(-1)
    certified = [
        tl.verify(
            f,
            tl.box(image, radius=arguments.eps),
            tl.spec.margin(int(label)),
            method=arguments.method,
            attack=False,
            certificate=False,
        ).status
        == "proved"
        for image, label in zip(
            images[: arguments.images], labels[: arguments.images], strict=True
        )
    ]
    return {
        "accuracy": float((guesses == labels).mean()),
        "certified": int(np.sum(certified)),
    }


def distance(f, q, images, arguments):
    """|q - f|: seen on the images, and bounded at one and on the box around it."""
    seen = jnp.abs(jax.jit(jax.vmap(q))(images) - f(images))
    bound = tl.quantization_error(f, q, method=arguments.method)
    at, around = (
        float(bound(tl.box(images[0], radius=r)).max()) for r in (0.0, arguments.eps)
    )
    return {
        "median_difference": float(jnp.median(seen)),
        "largest_difference": float(seen.max()),
        "difference_at_first": float(seen[0].max()),
        "bound_at_first": at,
        "bound_on_its_box": around,
    }


def speeds(f, q, images):
    """Throughput at three sizes of batch, and what else the machine was doing."""
    found = circumstances("jax", "jaxlib")
    rows = [throughput(f, q, images, n) for n in (1, 64, 1024)]
    moment = {name: found[name] for name in ("date", "load_at_start")}
    return {"throughput": rows, "throughput_measured": moment}


def throughput(f, q, images, batch):
    """Both compiled, on one batch; images per second."""
    x = jnp.resize(images, (batch, 64))
    calls = []
    for g in (jax.vmap(f), jax.vmap(q)):
        compiled = jax.jit(g).lower(x).compile()
        calls.append(lambda c=compiled: jax.block_until_ready(c(x)))
    floats, integers = paired(*calls, seconds=5.0)
    row = {
        "batch": batch,
        "float32_per_s": batch / floats.median,
        "int8_per_s": batch / integers.median,
        "ratio": floats.median / integers.median,
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
