"""What is claimed of the trained perceptron."""

from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo.mlp.model import NETWORK

CLASSIFIER = shared.Classifier(NETWORK.apply)
CLAIMS = (
    shared.apart(CLASSIFIER),
    shared.differentiable(CLASSIFIER),
    shared.certified(CLASSIFIER, radius=0.01, images=40, least=36),
)
