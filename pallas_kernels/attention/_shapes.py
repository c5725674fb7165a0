"""Named shapes: small, and cut into several tiles of 16 all the same.

Head dimensions are padded to 16, and the bounds of rounding count the zeros: all but
one have more than eight elements.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Sizes and limits; `masked` and `biased`: whether there is a mask and a bias."""

    batch: int
    queries: int
    keys: int
    heads: int
    kv_heads: int
    dim: int
    causal: bool = False
    window: tuple[int, int] | None = None
    alignment: str | None = None
    masked: bool = False
    biased: bool = False


SHAPES = {
    "one": Shape(1, 1, 1, 1, 1, 2),
    # 2 tiles of queries, 3 of keys, none of them whole at the end
    "ragged": Shape(1, 20, 37, 1, 1, 12, causal=True, alignment="end"),
    # which head of k and v serves which of q
    "grouped": Shape(1, 17, 18, 4, 2, 9),
    # the first rows of queries look before the first key: nothing is there
    "window": Shape(1, 36, 33, 1, 1, 10, window=(5, 2), alignment="end"),
    "masked": Shape(2, 18, 17, 2, 1, 11, masked=True, biased=True),
    "wide": Shape(1, 16, 16, 1, 1, 40, causal=True),
}
