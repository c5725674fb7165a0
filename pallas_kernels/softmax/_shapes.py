"""Named shapes: rows x elements. The small ones are where mistakes hide."""

SHAPES = {
    "one": (1, 1),
    "ragged": (5, 12),
    "square": (8, 8),
    "batched": (2, 3, 7),
    "wide": (2, 300),
}
