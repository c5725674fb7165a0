"""`torchlean verify digits`: train a classifier, certify it, check the certificates."""

import argparse
import contextlib
import functools
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.cli import _arguments, _output

TEXT = """\
Train a classifier on scikit-learn's digits, certify the 360 held-out images and have
every certificate re-checked. An image is certified when its true label is proved to win
at every input that differs from the image by at most EPS in each pixel (pixels are in
[0, 1]), or in the L1 or L2 norm with --norm. Inputs are not clipped to [0, 1]. The
claim is about the real-number meaning of the classifier; with --semantics fp32, about
what every floating-point execution returns, under the error model of XLA on CPUs.

accuracy   share of the images that are classified correctly, as they are
certified  images proved to keep their true label within EPS
refuted    images with a counterexample within EPS, confirmed in exact arithmetic, or
           (fp32) by running it (the image itself, if it is misclassified)
unknown    the others
checked    certificates accepted by the independent checker
seconds    for all of it: training, bounds, attack and checker"""

EXAMPLES = """\
examples:
  torchlean verify digits
  torchlean verify digits --train standard --eps 0.05 --json results.json
  torchlean verify digits --model conv --certificates proofs --plot digits.png

exit code: 0 when it ran to the end, whatever the counts are; 1 if the checker rejects a
certificate; 2 for bad input."""

NORMS = {"inf": "maximum norm", "1": "L1 norm", "2": "L2 norm"}
MEANINGS = {
    "real": "over the reals",
    "fp32": "in every execution, error model {model}",
}
PLOTTED = {"inf": 1, "2": 5, "1": 20}  # radii that lose about as many images


@dataclass
class Image:
    """What was found about one held-out image."""

    index: int
    label: int
    predicted: int
    status: str
    margin: float
    seconds: float
    certificate: str | None = None
    why_no_certificate: str | None = None
    checked: bool | None = None
    counterexample: list[float] | None = None


@dataclass
class Clock:
    """Seconds spent in each stage."""

    stages: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name):
        start = time.perf_counter()
        yield
        self.stages[name] = time.perf_counter() - start


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "digits", run, text=TEXT, examples=EXAMPLES
    )
    command.add_argument(
        "--model", choices=("linear", "mlp", "conv"), default="mlp", help="default mlp"
    )
    command.add_argument(
        "--train",
        choices=("standard", "certified"),
        default="certified",
        help="certified (default): the loss is the worst case over a box",
    )
    command.add_argument(
        "--eps", type=_arguments.radius, default=0.02, help="radius (default 0.02)"
    )
    _arguments.add_norm(command, "EPS")
    _arguments.add_method(command)
    command.add_argument(
        "--semantics",
        choices=tuple(MEANINGS),
        default="real",
        help="the claim is about the real numbers (default), or every execution",
    )
    command.add_argument(
        "--certificates",
        type=Path,
        metavar="DIR",
        help="keep one .tlc per proved image in DIR, which must hold no earlier ones",
    )
    command.add_argument(
        "--plot",
        type=_plot_path,
        metavar="FILE.png",
        help="draw certified accuracy against epsilon, for each method",
    )
    command.add_argument(
        "--limit",
        type=_arguments.count,
        metavar="N",
        help="only the first N held-out images",
    )
    _arguments.add_computing(command)


def run(options) -> int:
    from torchlean_jax.cli import _plot
    from torchlean_jax.zoo import digits

    if options.plot:
        if options.semantics != "real":
            raise tl.InputError("--plot draws claims over the reals: leave out one")
        _plot.require()
    clock = Clock()
    with (
        _arguments.on_device(options.device) as device,
        _certificate_folder(options.certificates) as folder,
    ):
        data = digits.load()
        model = digits.MODELS[options.model]
        with clock.stage("training"):
            certified = options.train == "certified"
            params = digits.train(model, data, certified=certified, seed=options.seed)
            f = digits.classifier(model, params)
        images = data.test_images[: options.limit]
        labels = data.test_labels[: options.limit]
        with clock.stage("bounds and attack"):
            numbers = _output.progress(range(len(images)), "certifying", len(images))
            found = [
                _verify(f, number, images[number], int(labels[number]), options, folder)
                for number in numbers
            ]
        with clock.stage("checker"):
            rejected = _check(found, folder)
        results = _results(options, found, clock, device)
        _output.write_json(options.json, results)
        _print(results, options, found, rejected)
        if options.plot:
            radii = _plot.RADII * PLOTTED[options.norm]
            sets = functools.partial(around, norm=options.norm)
            title = f"{_title(options)}, {NORMS[options.norm]}"
            _plot.draw(options.plot, f, images, labels, sets, radii, title=title)
            print(f"  plot       {options.plot}")
    return 1 if rejected else 0


def _verify(f, index, image, label: int, options, folder) -> Image:
    verdict = tl.verify(
        f,
        around(image, options.eps, options.norm),
        tl.spec.margin(label),
        method=options.method,
        semantics=options.semantics,
        seed=options.seed,
    )
    found = Image(
        index,
        label,
        int(f(image).argmax()),
        verdict.status,
        verdict.margin,
        verdict.seconds,
        why_no_certificate=verdict.why_no_certificate,
    )
    if verdict.certificate is not None:
        found.certificate = f"image-{index:03d}.tlc"
        verdict.certificate.save(folder / found.certificate)
    if verdict.counterexample is not None:
        found.counterexample = np.asarray(verdict.counterexample).tolist()
    return found


def around(image, radius, norm: str):
    """The inputs within `radius` of an image."""
    if norm == "inf":
        return tl.box(image, radius=radius)
    return tl.ball(image, radius, norm=int(norm))


def _check(found, folder):
    """Set `checked` where there is a certificate; the reports of rejected ones."""
    certified = [image for image in found if image.certificate]
    rejected = []
    for image in _output.progress(certified, "checking", len(certified)):
        (report,) = torchlean_check.check_many([str(folder / image.certificate)])
        image.checked = report.accepted
        if not report.accepted:
            rejected.append((image, report))
    return rejected


@contextlib.contextmanager
def _certificate_folder(path):
    """Where certificates go: `path`, or a folder that is gone afterwards."""
    if path is None:
        with tempfile.TemporaryDirectory(prefix="torchlean-") as temporary:
            yield Path(temporary)
        return
    path.mkdir(parents=True, exist_ok=True)
    earlier = len(list(path.glob("*.tlc")))
    if earlier:
        raise tl.InputError(
            f"{path} holds {earlier} certificates of an earlier run; proofs of two "
            "models must not mix. Remove them or name another folder"
        )
    yield path


def _results(options, found, clock, device) -> dict:
    status = [image.status for image in found]
    return {
        "accuracy": sum(i.predicted == i.label for i in found) / len(found),
        "certified": status.count("proved"),
        "refuted": status.count("refuted"),
        "unknown": status.count("unknown"),
        "checked": sum(image.checked is True for image in found),
        "seconds": round(sum(clock.stages.values()), 3),
        "images": len(found),
        "model": options.model,
        "train": options.train,
        "eps": options.eps,
        "norm": options.norm,
        "method": options.method,
        "semantics": options.semantics,
        "seed": options.seed,
        "stages": {name: round(s, 3) for name, s in clock.stages.items()},
        **_output.provenance(device),
        "per_image": [asdict(image) for image in found],
    }


def _print(results, options, found, rejected) -> None:
    total = results["images"]
    stages = ", ".join(f"{name} {s:.1f}" for name, s in results["stages"].items())
    meant = MEANINGS[options.semantics].format(model=tl.ErrorModel.xla_cpu().name)
    in_norm = "" if options.norm == "inf" else f" in the {NORMS[options.norm]}"
    meaning = {
        "certified": f"of {total}, by {options.method}: no input within "
        f"{options.eps:g}{in_norm} changes the label ({meant})",
        "refuted": f"of {total}: with a counterexample",
        "unknown": f"of {total}",
        "checked": f"of {sum(bool(i.certificate) for i in found)} certificates "
        "accepted by the checker",
    }
    print(f"{_title(options)}, seed {options.seed}, {results['device']}")
    accuracy = f"{100 * results['accuracy']:.1f}%"
    print(f"  {'accuracy':<10} {accuracy:<5}  of {total} held-out images")
    for name, text in meaning.items():
        print(f"  {name:<10} {results[name]:<5}  {text}")
    print(f"  {'seconds':<10} {results['seconds']:<5.1f}  {stages}")
    for why in sorted({i.why_no_certificate for i in found if i.why_no_certificate}):
        print(f"  no certificate: {why}")
    reasons = [
        (i.certificate, r.reason.removeprefix(f"{r.file}: ")) for i, r in rejected
    ]
    for name, reason in reasons[:3]:
        print(f"  REJECTED   {name}: {reason}")
    if len(reasons) > 3:
        print(f"  REJECTED   {len(reasons) - 3} more (--json lists all)")


def _title(options):
    return f"digits, {options.model}, {options.train} training"


def _plot_path(text):
    path = _arguments.writable_path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"a plot is a .png file; got {text}")
    return path
