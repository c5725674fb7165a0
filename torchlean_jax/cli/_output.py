"""What commands write: files that are whole or absent, JSON, and a progress bar."""

import contextlib
import json
import math
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import torchlean_check
import torchlean_jax
from torchlean_jax._files import replacing

T = TypeVar("T")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | None, results: dict) -> None:
    """`results`, in order; NaN becomes null, infinities become "inf" and "-inf"."""
    if path is not None:
        plain = json.dumps(
            _plain(results), indent=1, allow_nan=False, ensure_ascii=False
        )
        write_text(path, plain + "\n")


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def provenance(device) -> dict:
    """What a result depends on beside its arguments."""
    packages: dict[str, str | None] = {}
    for name in ("jax", "jaxlib", "numpy", "scikit-learn"):
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    ours = {
        "torchlean-jax": torchlean_jax.__version__,
        "torchlean-check": torchlean_check.__version__,
        "python": platform.python_version(),
    }
    return {
        "versions": ours | packages,
        "device": device.device_kind,
    }


def is_watched() -> bool:
    """Whether a person is looking."""
    return sys.stdout.isatty() and sys.stderr.isatty()


@contextlib.contextmanager
def live(what: str, lines: bool = False) -> Iterator[Callable[[str], None]]:
    """A function that shows how far `what` is, on stderr when a person is looking; or
    as `lines` there, for whoever reads them."""
    if lines:
        yield lambda text: print(f"{what}: {text}", file=sys.stderr, flush=True)
        return
    if not is_watched():
        yield lambda text: None
        return
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        yield lambda text: None
        return
    with Console(stderr=True).status(what) as status:
        yield lambda text: status.update(f"{what}: {text}")


def progress(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """`items`, behind a bar on stderr when a person is looking."""
    if not is_watched():
        yield from items
        return
    try:
        from rich.console import Console
        from rich.progress import track
    except ModuleNotFoundError:
        yield from items
        return
    console = Console(stderr=True)
    yield from track(items, what, total=total, console=console, transient=True)
