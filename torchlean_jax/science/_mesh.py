"""Surfaces made of triangles, with exact corners."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torchlean_jax.domains._errors import FileFormatError, InputError
from torchlean_jax.science._spline import exact

# more digits than anybody measures, and no power that is beyond the floats
_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d\d?)?", re.A)
_INDEX = re.compile(r"[1-9]\d{0,8}", re.A)


@dataclass(frozen=True)
class Mesh:
    """Triangles between vertices: the numbers of three, from 0, for each.

    Raises InputError for a vertex without three finite coordinates, a number of none,
    or no triangle at all.

    >>> Mesh([(0, 0, 0), (1, 0, 0), (0, "1/3", 0)], [(0, 1, 2)]).vertices[2][1]
    Fraction(1, 3)
    """

    vertices: Sequence
    triangles: Sequence

    def __post_init__(self):
        try:
            vertices = tuple(tuple(map(exact, vertex)) for vertex in self.vertices)
            triangles = tuple(tuple(map(int, corners)) for corners in self.triangles)
        except (TypeError, ValueError) as error:
            raise InputError(f"a mesh: vertices and triangles: {error}") from error
        wrong = [f"vertex {k}" for k, v in enumerate(vertices) if len(v) != 3]
        wrong += [
            f"triangle {k}"
            for k, t in enumerate(triangles)
            if len(t) != 3 or not all(0 <= v < len(vertices) for v in t)
        ]
        if wrong or not triangles:
            raise InputError(
                "a mesh has vertices of 3 coordinates and triangles of 3 of their "
                f"numbers, one at least: {', '.join(wrong[:5]) or 'there is none'}"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "triangles", triangles)

    @classmethod
    def read(cls, path) -> "Mesh":
        """A mesh from the lines `v x y z` and `f i j k` of a Wavefront OBJ file.

        Decimal numbers are taken exactly. `f i j k l` is split into i j k and i k l.
        Empty lines and comments (#) are skipped; anything else is refused, as
        FileFormatError with the number of the line, since a line that is not understood
        may move or add something.
        """
        vertices, faces = [], []
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.split("\n"), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            kind, numbers = words[0], words[1:]
            if kind == "v" and len(numbers) == 3 and _all(_DECIMAL, numbers):
                vertices.append(tuple(map(Fraction, numbers)))
            elif kind == "f" and len(numbers) in (3, 4) and _all(_INDEX, numbers):
                faces.append((number, [int(word) - 1 for word in numbers]))
            else:
                raise FileFormatError(
                    f"{path}, line {number}: {line.strip()[:60]!r} is neither 'v x y "
                    "z' nor 'f i j k' or 'f i j k l' (numbers of vertices, from 1)"
                )
        triangles = []
        for number, face in faces:
            if max(face) >= len(vertices):
                raise FileFormatError(
                    f"{path}, line {number}: there is no vertex {max(face) + 1}, only "
                    f"{len(vertices)}"
                )
            triangles += [(face[0], *face[k : k + 2]) for k in range(1, len(face) - 1)]
        if not triangles:
            raise FileFormatError(f"{path}: there is no face")
        return cls(vertices, triangles)

    def document(self) -> dict:
        """As the certificate holds it."""
        return {
            "vertices": [[str(x) for x in vertex] for vertex in self.vertices],
            "triangles": [list(corners) for corners in self.triangles],
        }


def _all(pattern, words) -> bool:
    return all(pattern.fullmatch(word) for word in words)
