"""Named shapes: batch, modes, channels in and out. The small ones are where mistakes
hide."""

SHAPES = {
    "one": (1, 1, 1, 1),
    "ragged": (3, 2, 5, 3),
    "square": (2, 2, 2, 2),
    "wide": (2, 1, 3, 70),
}
