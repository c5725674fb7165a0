"""`torchlean science`: statements about scientific models over whole regions."""

import argparse
import dataclasses
import functools

import jax

from torchlean_jax.cli._arguments import add_command, positive, writable_path
from torchlean_jax.cli._given import import_function
from torchlean_jax.cli._output import live, provenance, replacing, write_json
from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._extras import import_extra

TEXT = """\
Prove statements about scientific models everywhere on a region.
Each example states a claim, proves it with rounding accounted for, and shows what
points attain beside it, so that the slack can be seen. `torchlean science approximate
sin` builds a ReLU network and proves its distance from the sine."""

TEXTS = {
    "approximate": """\
Build a ReLU network and prove its distance from a function.
The distance over the reals, what rounding the parameters adds, what any float32
execution adds, and for one input every float16 input: each apart.""",
    "spline": """\
Decide claims about a spline with exact rational coefficients.
Continuity of derivatives, interpolation, monotonicity, convexity, range: decided by
exact arithmetic, from the coefficients alone. The figures are the proved distance to a
function, the logistic one or a line, and what it is at points; then what every claim is
about, exactly: the largest jump, the least slope, the range.""",
    "camera": """\
Bound where a box or a mesh appears in the pictures of every camera of a set.
Its depth is positive and its picture lies in a rectangle, whatever the pose, the focal
length, the centre and the lens within the set: decided in exact arithmetic. The figures
are the areas of the rectangle and of the one around sampled points. The cameras look at
the cube [-1, 1]^3, or the mesh in its place, from 4 units away.""",
    "visible": """\
Decide which triangles every camera of a set has in view, and which none has.
The triangles are those of a sphere of radius 1, or of the mesh in its place, and the
cameras those of `science camera`. Whether a triangle is hidden by others is not asked.
The figures are the number of triangles that are decided, and of those whose sampled
points are all in view or all out of it.""",
    "cloud": """\
Prove that a solid's cloud of points keeps its class whatever way it is turned.
A small PointNet is trained, and rotation and network are bounded as one function of the
angles. The figures are the margin of the class, proved at every angle and met at
samples; `upright` was trained without turns, and is refuted with the angle.""",
    "surface": """\
Prove where a surface is not: cells of a box, and rays up to where they meet it.
`torus` is a network trained on the distance from a torus, which it never quite is, so
that steps by its value may pass through its surface; here each step is proved. The
figures are the share of the box that is proved to be free, and the share of cells as
small as the smallest on which points show one sign.""",
    "ode": """\
Enclose the solutions of a differential equation.
The first three in a corridor: a sub- and a super-solution, whose inequalities are
decided exactly on every segment; the sampled figure is the width of the set of starts.
The others, which are systems, by Taylor series with interval remainders, from a point
or a box; the sampled figure is how far corners of it end from each other.""",
    "control": """\
Prove that a closed loop is stable on a whole sub-level set, the origin included.
A Lyapunov function decreases along every solution that starts in the set. The figures
are the level of the set, and the least at which a sampled point forbids a larger one;
`weak` has too little gain, and is refuted with a point. `neural` and `path` train a
network and a Lyapunov function; their figures are the area proved and the largest that
the ellipse of the linear-quadratic regulator could have. `executed` is the float32
network as it runs, `barrier` a set that a wind does not drive a pendulum out of, and
`cart-pole` and `quadrotor` are ellipsoids of states, as large as a minute proves.""",
    "pinn": """\
Train a network on a differential equation and bound its residual everywhere.
The bound holds at every real point of the domain, rounding included; where theory gives
one, so does a bound of the distance to the solution.""",
}

EXAMPLES = """\
examples:
  torchlean science {topic} {name}
  torchlean science {topic} {name} --json result.json

exit code: 0 proved, 1 refuted, 2 bad usage, 3 unknown"""

TOPICS = {
    "approximate": ("sin", "bump", "wave"),
    "spline": ("natural", "monotone", "kan-edge"),
    "camera": ("pan", "handheld"),
    "visible": ("pan", "handheld"),
    "cloud": ("cube", "sphere", "cylinder", "cone", "tilted", "upright"),
    "surface": ("ball", "torus"),
    "ode": (
        *("logistic", "logistic-set", "driven"),
        *("lorenz", "oscillator", "van-der-pol", "neural"),
    ),
    "pinn": (
        *("poisson", "heat", "burgers", "allen-cahn"),
        *("schroedinger", "diffusion-sorption"),
    ),
    "control": (
        *("pendulum", "van-der-pol", "weak"),
        *("neural", "path", "executed", "barrier", "cart-pole", "quadrotor"),
    ),
}
_CAMERAS = ("camera", "visible")
_WORDS = {2: "two", 5: "five"}
_UNWRITTEN = "no certificate of it is written; it rests on interval arithmetic"
UNCERTIFIED = {
    "control": ("executed",),
}


def add_to(commands) -> None:
    command = commands.add_parser(
        "science", help=TEXT.partition(".")[0], description=TEXT
    )
    kinds = command.add_subparsers(title="commands", required=True, metavar="TOPIC")
    for topic, names in TOPICS.items():
        run = functools.partial(_run, topic)
        shown = EXAMPLES.format(topic=topic, name=names[0])
        one = add_command(kinds, topic, run, text=TEXTS[topic], examples=shown)
        shown = "which example: " + ", ".join(names)
        one.add_argument("name", choices=names, metavar="NAME", help=shown)
        one.add_argument(
            "--certificate",
            type=writable_path,
            metavar="FILE",
            help="write a certificate that torchlean-check re-derives",
        )
        one.add_argument(
            "--plot", type=writable_path, metavar="FILE", help="draw a picture"
        )
        one.add_argument(
            "--json",
            type=writable_path,
            metavar="FILE",
            help="write the claim, the certified and the sampled figure, and seconds",
        )
        if topic in _CAMERAS:
            _add_camera(one)
        if topic == "spline":
            one.add_argument(
                "--near",
                nargs=2,
                metavar=("MODULE:FUNCTION", "DISTANCE"),
                help="ask for this distance to another function of a scalar: a JAX "
                "function such as jax.numpy:tanh, or of a .py file",
            )
        if topic == "visible":
            one.add_argument(
                "--view",
                type=functools.partial(_ranges, count=2),
                metavar="LO:HI,LO:HI",
                help="the rectangle of the picture that is kept (each -1/4:1/4)",
            )
        if topic == "pinn":
            one.add_argument(
                "--certify",
                type=positive,
                nargs="?",
                metavar="EPS",
                help="ask for |residual| <= EPS: exit code 0 if the bound is below it, "
                "else 3; without EPS, for as tight a bound as is found, as always",
            )


def _add_camera(command) -> None:
    command.add_argument(
        "--distortion",
        type=functools.partial(_ranges, count=5),
        metavar="K1,K2,P1,P2,K3",
        help="of the lens, in OpenCV's order: each a number, or a range LO:HI",
    )
    command.add_argument(
        "--mesh",
        metavar="FILE.obj",
        help="triangles in place of the example's: lines v x y z and f i j k (or l)",
    )


def _ranges(text: str, count: int):
    """(lo, hi) of so many numbers or ranges."""
    from torchlean_jax.science._spline import exact

    parts = [part.split(":") for part in text.split(",")]
    if len(parts) != count or any(len(part) > 2 for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text} is not {_WORDS[count]} numbers or ranges LO:HI"
        )
    try:
        ends = [(exact(part[0]), exact(part[-1])) for part in parts]
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return tuple(zip(*ends, strict=True))


def _run(topic, options) -> int:
    from torchlean_jax.science import _examples
    from torchlean_jax.science._spline import exact

    if options.certificate and options.name in UNCERTIFIED.get(topic, ()):
        raise InputError(f"--certificate: of {topic} {options.name}: {_UNWRITTEN}")
    if options.plot is not None:
        import_extra("matplotlib", extra="zoo", purpose="--plot")
    _, run = _examples.TOPICS[topic]
    if topic in _CAMERAS:
        run = functools.partial(run, distortion=options.distortion, mesh=options.mesh)
    if topic == "spline" and options.near is not None:
        function, distance = options.near
        near = import_function(function), exact(distance)
        run = functools.partial(run, near=near)
    if topic == "visible":
        run = functools.partial(run, view=options.view)
    with live(f"{topic} {options.name}"):
        found = run(options.name)
    if topic == "pinn" and options.certify is not None:
        found = _asked(found, options.certify)
    print(f"{found.status}: {found.claim}")
    print(f"  certified {found.certified:.6g}, sampled {found.sampled:.6g}, "
          f"{found.seconds:.1f} s")  # fmt: skip
    for name, figure in found.figures.items():
        print(f"  {name}: {figure:.6g}")
    if options.certificate is not None:
        _certify(options.certificate, found)
    if options.plot is not None:
        _draw(options.plot, found, f"{topic}: {options.name}")
    results = {
        "topic": topic,
        "name": options.name,
        "claim": found.claim,
        "status": found.status,
        "certified": found.certified,
        "sampled": found.sampled,
        "seconds": found.seconds,
        "figures": found.figures,
    }
    write_json(options.json, results | provenance(jax.devices()[0]))
    return {"proved": 0, "refuted": 1}.get(found.status, 3)


def _asked(found, eps: float):
    """Whether the residual is at most eps, which any bound below it proves."""
    if found.certified <= eps:
        return dataclasses.replace(found, status="proved")
    said = f"not decided, whether |residual| <= {eps:g} everywhere; {found.claim}"
    return dataclasses.replace(found, status="unknown", claim=said)


def _certify(path, found) -> None:
    if found.status != "proved":
        print("  no certificate: nothing was proved")
        return
    blob = found.certificate()
    with replacing(path) as temporary:
        temporary.write_bytes(blob)
    less = f", which holds less: {found.holds}" if found.holds else ""
    print(f"  certificate: {path}{less}")


def _draw(path, found, title) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)  # no global state, no window
    axes = figure.add_subplot()
    found.draw(axes)
    axes.set_title(title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:] or "png", dpi=150)
