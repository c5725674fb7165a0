"""Named shapes: rows of the operand, updates, columns. The small ones are where
mistakes hide."""

SHAPES = {
    "one": (1, 1, 1),
    "ragged": (5, 12, 3),
    "more rows": (9, 4, 8),
    "no updates": (3, 0, 4),
    "wide": (2, 3, 300),
}
