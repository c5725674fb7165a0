"""The picture of `torchlean verify digits`: certified accuracy against epsilon."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax._files import replacing
from torchlean_jax.cli import _output
from torchlean_jax.interpreters._crown import METHODS
from torchlean_jax.zoo._extras import import_extra

RADII = np.linspace(0, 0.1, 11)
# Okabe and Ito's colours, which stay apart under every common colour blindness; markers
# and dashes tell the lines apart without any colour.
STYLES = {
    "ibp": ("#E69F00", "s", (0, (1, 1.2))),
    "forward": ("#009E73", "v", (0, (1, 1.2, 3, 1.2))),
    "zonotope": ("#CC79A7", "P", (0, (5, 1, 1, 1))),
    "crown-ibp": ("#56B4E9", "^", (0, (3, 1.5))),
    "crown": ("#0072B2", "o", "solid"),
    "alpha-crown": ("#D55E00", "D", (0, (6, 1.5))),
}
CHUNK = 40  # images whose bounds are computed at once


def require() -> None:
    """Raise MissingExtraError now rather than after the work is done."""
    import_extra("matplotlib", extra="zoo", purpose="--plot")


def certified(f, images, labels, method: str, around, radii, known=None) -> np.ndarray:
    """Whether the margin of each image is proved positive: bool[radius, image].

    around(x, radius): the set of inputs around an image. known: images that need no
    bounds, since a method that this one extends proved them.
    """
    others = np.stack([np.delete(-np.eye(10), label, axis=0) for label in labels])
    np.put_along_axis(others, labels[:, None, None].astype(int), 1.0, axis=2)

    def margins(x, rows):
        return rows @ f(x)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, 0, None))
    def positive(centre, rows, radius):
        inputs = around(centre, radius)
        return tl.bounds(margins, method=method)(inputs, rows).lo.min() > 0

    found = np.zeros((len(radii), len(labels)), bool) if known is None else known.copy()
    # in float64: under jit, bounds compute in the precision of their arguments
    with jax.enable_x64(True):
        for proved, radius in zip(found, radii, strict=True):
            pending = np.flatnonzero(~proved)
            for start in range(0, len(pending), CHUNK):
                chosen = pending[start : start + CHUNK]
                padded = np.resize(chosen, CHUNK)  # one shape, hence one compilation
                centres = jnp.asarray(images[padded], jnp.float64)
                answers = positive(centres, others[padded], jnp.float64(radius))
                proved[chosen] = np.asarray(answers)[: len(chosen)]
    return found


def certified_by_method(f, images, labels, around, radii) -> dict[str, np.ndarray]:
    """`certified` for each method.

    alpha-crown begins with the bounds of crown and keeps the best, so it is only asked
    about images that crown leaves open.
    """
    found: dict[str, np.ndarray] = {}
    for method in _output.progress(METHODS, "plotting", len(METHODS)):
        known = found.get("crown") if method == "alpha-crown" else None
        found[method] = certified(f, images, labels, method, around, radii, known)
    return found


def draw(path, f, images, labels, around, radii, *, title: str) -> None:
    """Write the picture to `path`. around(x, radius): the inputs around an image."""
    require()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)  # no global state, no window
    axes = figure.add_subplot()
    clean = 100 * float(np.mean(np.asarray(f(images).argmax(-1)) == labels))
    axes.axhline(clean, color="0.45", linewidth=1)
    axes.annotate(
        f"accuracy {clean:.1f}%",
        (radii[-1], clean),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color="0.35",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    found = certified_by_method(f, images, labels, around, radii)
    lowest = 100 * min(images.mean(axis=1).min() for images in found.values())
    # the tightest first, so that equal results show as markers inside markers
    for size, method in reversed(list(enumerate(found, start=4))):
        color, marker, dashes = STYLES[method]
        shares = 100 * found[method].mean(axis=1)
        axes.plot(
            radii,
            shares,
            label=method,
            color=color,
            marker=marker,
            markersize=size,
            linestyle=dashes,
        )
    axes.set(
        title=title,
        xlabel="epsilon: how far an image may move (pixels are in [0, 1])",
        ylabel=f"certified, % of {len(labels)} held-out images",
        ylim=(max(0, 10 * (lowest // 10) - 10), 102),
        xlim=(-0.02 * radii[-1], 1.02 * radii[-1]),
    )
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(found), frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
