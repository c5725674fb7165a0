"""How the perceptron is trained: ordinary or certified, settings as in `digits`."""

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.mlp.claims import CLAIMS, CLASSIFIER
from torchlean_jax.zoo.mlp.data import images
from torchlean_jax.zoo.mlp.model import NETWORK

ENTRY = Entry(
    name="mlp",
    title="multilayer perceptron, digits",
    network=NETWORK,
    loss=CLASSIFIER.loss,
    certified_loss=CLASSIFIER.certified_loss,
    load=images,
    evaluate=CLASSIFIER.evaluate,
    show=CLASSIFIER.show,
    settings=Settings(steps=4400, lr=0.01, weight_decay=0.3, clip=None),
    brief=400,
    goals=(Goal("accuracy", least=0.97),),
    claims=CLAIMS,
)
