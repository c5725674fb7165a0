"""The images and their split. No model lives here."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from torchlean_jax.zoo._extras import import_extra

HELD_OUT = 360


@dataclass(frozen=True)
class Digits:
    """Images of 64 pixels in [0, 1], row by row, and their labels, 0 to 9.

    The 360 test images are held out: neither the weights nor the settings of the
    training were chosen by looking at them.
    """

    train_images: Float32[np.ndarray, "train 64"]
    train_labels: Int32[np.ndarray, "train"]
    test_images: Float32[np.ndarray, "test 64"]
    test_labels: Int32[np.ndarray, "test"]


def load() -> Digits:
    """The digits that scikit-learn carries: 1437 to train on and 360 held out.

    The split is stratified and does not depend on any seed of ours. Pixels are
    multiples of 1/16, so they are exact in float32. Raises MissingExtraError without
    scikit-learn.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository, 1998 (its test part).

    >>> load().test_images.shape
    (360, 64)
    """
    purpose = "the digits data"
    datasets = import_extra("sklearn.datasets", extra="zoo", purpose=purpose)
    selection = import_extra("sklearn.model_selection", extra="zoo", purpose=purpose)
    sixteenths, labels = datasets.load_digits(return_X_y=True)
    images = (sixteenths / 16).astype(np.float32)
    train_images, test_images, train_labels, test_labels = selection.train_test_split(
        images,
        labels.astype(np.int32),
        test_size=HELD_OUT,
        stratify=labels,
        random_state=0,
    )
    return Digits(train_images, train_labels, test_images, test_labels)
