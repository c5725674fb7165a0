"""A user's table, by the ending of its name."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torchlean_jax.domains._errors import InputError

Table = TypeVar("Table")


def read_table(path: Path, readers: dict[str, Callable[[Path], Table]]) -> Table:
    """What the reader of that ending makes of a file, such as `.csv` or `.npy`.

    Raises InputError for another ending, a file that is not there or cannot be read,
    and a ValueError of the reader, with the path.
    """
    if path.suffix not in readers:
        raise InputError(f"{path}: data are {' or '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: {error}") from error
