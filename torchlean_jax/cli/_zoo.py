"""`torchlean zoo list`, `train`, `claims` and `sample`: the model zoo."""

import textwrap
import time
from dataclasses import asdict, replace
from pathlib import Path

import jax

from torchlean_jax.cli import _arguments, _output
from torchlean_jax.domains._errors import InputError

ZOO = """\
Example models, each with data, training and claims that are checked.
Without a command, list them."""

ZOO_EXAMPLES = """\
examples:
  torchlean zoo list
  torchlean train mlp
  torchlean claims mlp

exit code: 0, or 2 for bad input."""

LIST = """\
List the entries of the zoo.
Each with what it is, the quality that a whole training has to reach, and its claims."""

TRAIN = """\
Train an entry of the zoo, and measure it on held-out data.
Options that are not given are those of the entry. With --out, checkpoints,
metrics.jsonl and what TensorBoard reads are kept in DIR; --resume goes on from the
newest checkpoint there, with the bits that a training without the interruption has."""

TRAIN_EXAMPLES = """\
examples:
  torchlean train mlp
  torchlean train gpt --out runs/gpt
  torchlean train gpt --out runs/gpt --resume
  torchlean train mlp --certified 0.03 --steps 1000 --json metrics.json

exit code: 0 when it ran to the end, whatever the quality; 2 for bad input, or a loss
that is not finite: the node that was the first is named."""

CLAIMS = """\
Check what an entry claims of its trained model, over that model's own jaxpr.
The model is the newest checkpoint in DIR; without one, it is trained for seconds first.
For `gpt2` DIR may be a published checkpoint as well, a .safetensors file or its folder.
`optimizers`, `schedules`, `losses` and `norms` are claims about what all entries use.
Each claim holds, fails, or stays unknown, and says on what evidence."""

CLAIMS_EXAMPLES = """\
examples:
  torchlean claims mlp
  torchlean claims gpt --checkpoint runs/gpt --json claims.json
  torchlean claims optimizers

exit code: 0 if all hold, 1 if one fails, 2 for bad input, 3 if one is unknown and none
fails."""

SAMPLE = """\
Let a trained generative model write.
The model is the newest checkpoint in DIR."""

SAMPLE_EXAMPLES = """\
examples:
  torchlean sample gpt --checkpoint runs/gpt --prompt def --temperature 0.8
  torchlean sample gpt --checkpoint runs/gpt --prompt import --top-k 20 --top-p 0.9

exit code: 0, or 2 for bad input."""

OPTIMIZERS = "sgd momentum adam adamw adagrad rmsprop lion muon".split()
SCHEDULES = (
    "constant",
    "linear",
    "cosine",
    "warmup-cosine",
    "warmup-stable-decay",
)


def add_to(commands) -> None:
    zoo = _arguments.add_command(
        commands, "zoo", _list, text=ZOO, examples=ZOO_EXAMPLES
    )
    kinds = zoo.add_subparsers(title="commands", metavar="COMMAND")
    listing = _arguments.add_command(
        kinds, "list", _list, text=LIST, examples=ZOO_EXAMPLES
    )
    for command in (zoo, listing):
        _add_json(command)
    _add_train(commands)
    claims = _arguments.add_command(
        commands, "claims", _claims, text=CLAIMS, examples=CLAIMS_EXAMPLES
    )
    claims.add_argument("entry", metavar="NAME")
    claims.add_argument("--checkpoint", type=Path, metavar="DIR")
    _arguments.add_computing(claims)
    sample = _arguments.add_command(
        commands, "sample", _sample, text=SAMPLE, examples=SAMPLE_EXAMPLES
    )
    sample.add_argument("entry", metavar="NAME")
    sample.add_argument("--checkpoint", type=Path, metavar="DIR", required=True)
    sample.add_argument("--prompt", default="", help="text to go on from")
    sample.add_argument(
        "--length", type=_arguments.count, default=200, help="tokens (default 200)"
    )
    sample.add_argument(
        "--temperature",
        type=_arguments.radius,
        default=1.0,
        help="0 takes the likeliest (default 1)",
    )
    sample.add_argument("--top-k", type=_arguments.count, metavar="K")
    sample.add_argument("--top-p", type=_arguments.radius, metavar="P")
    _arguments.add_computing(sample)


def _add_train(commands) -> None:
    train = _arguments.add_command(
        commands, "train", _train, text=TRAIN, examples=TRAIN_EXAMPLES
    )
    train.add_argument("entry", metavar="NAME")
    count, number = _arguments.count, _arguments.radius
    train.add_argument("--steps", type=count, metavar="N")
    train.add_argument("--batch", type=count, metavar="N", help="examples a step")
    train.add_argument("--lr", type=number, metavar="RATE", help="learning rate")
    train.add_argument("--optim", dest="optimizer", choices=OPTIMIZERS)
    train.add_argument("--schedule", choices=SCHEDULES)
    train.add_argument(
        "--accumulate",
        type=count,
        metavar="N",
        help="average the gradients of N equal parts of each batch",
    )
    train.add_argument("--data", metavar="PATH", help="data of your own")
    train.add_argument("--dtype", choices=("float32", "bfloat16"))
    train.add_argument(
        "--certified",
        type=number,
        metavar="EPS",
        help="train on the worst case within EPS of each pixel (classifiers)",
    )
    train.add_argument(
        "--certified-by",
        choices=("ibp", "crown-ibp"),
        help="the bounds of that worst case (default ibp)",
    )
    train.add_argument(
        "--devices",
        type=count,
        default=1,
        metavar="N",
        help="split each batch over N devices (default 1)",
    )
    train.add_argument(
        "--out", type=Path, metavar="DIR", help="what to keep, and where"
    )
    train.add_argument("--resume", action="store_true", help="go on from --out DIR")
    _arguments.add_computing(train)


def _add_json(command) -> None:
    command.add_argument(
        "--json",
        type=_arguments.writable_path,
        metavar="FILE",
        help="write the results to FILE as well",
    )


def _list(options) -> int:
    from torchlean_jax import zoo

    found = zoo.entries()
    width = max(len(entry.name) for entry in found)
    for entry in found:
        goals = ", ".join(map(str, entry.goals))
        print(f"{entry.name:<{width}}  {entry.title} ({goals})")
        for claim in entry.claims:
            print(f"{'':<{width}}    {claim.__name__.replace('_', ' ')}")
    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "goals": list(map(str, entry.goals)),
            "claims": [claim.__name__ for claim in entry.claims],
            "settings": asdict(entry.settings),
        }
        for entry in found
    ]
    _output.write_json(options.json, {"entries": rows})
    return 0


def _train(options) -> int:
    from torchlean_jax import zoo

    zoo.keep_memory()
    entry = zoo.entry(options.entry)
    given = {
        name: value
        for name in asdict(entry.settings)
        if (value := getattr(options, name, None)) is not None
    }
    started = time.perf_counter()
    with (
        _arguments.on_device(options.device) as device,
        _output.live(f"training {entry.name}") as show,
    ):
        trained = zoo.train(
            entry,
            replace(entry.settings, **given),
            out=options.out,
            resume=options.resume,
            devices=options.devices,
            show=show,
        )
        shown = entry.show(trained.variables, trained.data) if entry.show else ""
    goals = {str(goal): goal.is_met(trained.metrics) for goal in entry.goals}
    seconds = time.perf_counter() - started
    results = {
        "entry": entry.name,
        "metrics": trained.metrics,
        "goals": goals,
        "settings": asdict(trained.settings),
        "devices": options.devices,
        "seconds": round(seconds, 3),
        **_output.provenance(device),
    }
    _output.write_json(options.json, results)
    print(f"{entry.name}: {trained.variables}, {trained.step} steps, {seconds:.1f} s")
    for name, value in trained.metrics.items():
        print(f"  {name:<16} {value:.4f}")
    for goal, met in goals.items():
        print(f"  {'goal':<16} {goal}: {'reached' if met else 'not reached'}")
    print(textwrap.indent(shown, "  "))
    return 0


def _claims(options) -> int:
    from torchlean_jax import zoo

    with (
        _arguments.on_device(options.device) as device,
        _output.live(f"claims of {options.entry}") as show,
    ):
        if options.entry in zoo.published.NAMES:
            if options.checkpoint is not None:
                raise InputError(f"{options.entry} has no checkpoint")
            step, found = None, zoo.published.check(options.entry, seed=options.seed)
        else:
            trained = _trained(zoo.entry(options.entry), options, show)
            step, found = trained.step, zoo.check_claims(trained, seed=options.seed)
        findings = []
        for finding in found:
            findings.append(finding)
            _print(finding)
    _output.write_json(
        options.json,
        {
            "entry": options.entry,
            "step": step,
            "seed": options.seed,
            "claims": [asdict(finding) for finding in findings],
            **_output.provenance(device),
        },
    )
    found = {finding.status for finding in findings}
    return 1 if "fails" in found else 3 if "unknown" in found else 0


def _trained(entry, options, show):
    from torchlean_jax import zoo

    if options.checkpoint is not None:
        return zoo.load_trained(entry, options.checkpoint)
    settings = replace(entry.settings, steps=entry.brief, seed=options.seed)
    return zoo.train(entry, settings, show=show)


def _print(finding) -> None:
    print(f"{finding.status:<8} {finding.name} ({finding.seconds:.1f} s)")
    for text in (finding.says, *finding.evidence.splitlines()):
        print(textwrap.indent(textwrap.fill(text, 79), " " * 9), flush=True)


def _sample(options) -> int:
    from torchlean_jax import zoo
    from torchlean_jax.zoo._sampling import Sampling

    entry = zoo.entry(options.entry)
    if entry.sample is None:
        able = [e.name for e in zoo.entries() if e.sample is not None]
        raise InputError(f"{entry.name} writes no text; {', '.join(able)} do")
    sampling = Sampling(
        options.length, options.temperature, options.top_k, options.top_p
    )
    with _arguments.on_device(options.device) as device:
        trained = zoo.load_trained(entry, options.checkpoint)
        write = trained.entry.sample
        if write is None:
            raise InputError(
                f"{options.checkpoint}: its tokens are no bytes, and how they make "
                "text is not part of the checkpoint"
            )
        key = jax.random.key(options.seed)
        text = write(trained.variables, options.prompt, sampling, key)
    results = {
        "entry": entry.name,
        "prompt": options.prompt,
        "text": text,
        "sampling": asdict(sampling),
        "seed": options.seed,
        **_output.provenance(device),
    }
    _output.write_json(options.json, results)
    print(text)
    return 0
