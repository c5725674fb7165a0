"""What is claimed of the trained residual network."""

from torchlean_jax.zoo import _classifiers as shared

RADIUS, IMAGES, LEAST = 0.005, 2, 2  # bounds take a minute to compile


def claims(network, plain) -> tuple:
    """Of the network, and of the one that it is with its normalisations folded."""
    classifier = shared.Classifier(network.apply)
    return (
        shared.folding(network, plain),
        shared.deterministic(network),
        shared.apart(classifier),
        shared.differentiable(classifier),
        shared.certified(classifier, radius=RADIUS, images=IMAGES, least=LEAST),
    )
