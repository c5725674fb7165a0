"""Named shapes: sequences, their length, channels, states of each channel, and whether
the result is gated. The small ones are where mistakes hide; the second sequence of an
array is three steps shorter than the first."""

SHAPES = {
    "one": (1, 1, 1, 1, False),
    "ragged": (2, 5, 3, 3, True),
    "small": (2, 3, 1, 1, True),
    "ungated": (1, 4, 3, 2, False),
    "wide": (1, 2, 33, 16, True),
}
