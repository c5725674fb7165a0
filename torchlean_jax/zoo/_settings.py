"""How a training goes: everything that its result depends on beside the entry."""

from dataclasses import asdict, dataclass

from torchlean_jax.domains._errors import InputError

DTYPES = ("float32", "bfloat16")
BOUNDS = ("ibp", "crown-ibp")


@dataclass(frozen=True)
class Settings:
    """Steps, examples and optimiser of one training.

    steps: updates of the parameters; schedules end with them. batch: examples for each
    update, in `accumulate` equal parts whose gradients are averaged. seed: of initial
    weights, order of examples and noise. dtype: of the computation; parameters and
    optimiser stay in float32. certified: train on the worst case over a box of this
    radius instead (classifiers), or None; the radius grows from 0 over the first half
    of the steps. certified_by: the bounds of that worst case, of BOUNDS. data: a file
    or folder of the user's own.
    """

    steps: int = 1000
    batch: int = 64
    seed: int = 0
    lr: float = 1e-3
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warmup: int = 100
    weight_decay: float = 0.01
    momentum: float = 0.9
    b1: float = 0.9
    b2: float = 0.999
    clip: float | None = 1.0
    accumulate: int = 1
    dtype: str = "float32"
    certified: float | None = None
    certified_by: str = "ibp"
    data: str | None = None

    def __post_init__(self):
        if self.steps < 1 or self.batch < 1 or self.accumulate < 1:
            raise InputError("steps, batch and accumulate are 1 or more")
        if self.batch % self.accumulate:
            raise InputError(
                f"a batch of {self.batch} does not fall into {self.accumulate} equal "
                "parts: change --batch or --accumulate"
            )
        if self.dtype not in DTYPES:
            raise InputError(f"dtype {self.dtype!r}: there are {', '.join(DTYPES)}")
        if self.certified_by not in BOUNDS:
            raise InputError(
                f"certified by {self.certified_by!r}: there are {', '.join(BOUNDS)}"
            )

    def differences(self, other: "Settings") -> str:
        """In words, where two settings part."""
        ours, theirs = asdict(self), asdict(other)
        return ", ".join(
            f"{name} {theirs[name]} (was {ours[name]})"
            for name in ours
            if ours[name] != theirs[name]
        )
