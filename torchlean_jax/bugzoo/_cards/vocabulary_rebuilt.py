"""The vocabulary is built again, from another text, when the model is loaded."""

from torchlean_jax.bugzoo._card import Card, Finding
from torchlean_jax.bugzoo._checks import round_trip

CORPUS = "the cat sat on the mat"


def vocabulary(text):
    return sorted(set(text))


def faulty(prompt):
    letters = vocabulary(prompt)
    return [letters.index(letter) for letter in prompt]


def fixed(prompt):
    letters = vocabulary(CORPUS)
    return [letters.index(letter) for letter in prompt]


def examine(encode) -> Finding:
    def read_by_the_model(ids):
        return "".join(vocabulary(CORPUS)[i] for i in ids)

    return round_trip(encode, read_by_the_model, ["a cat", "the mat"])


CARD = Card(
    name="vocabulary-rebuilt",
    title="The vocabulary is built again when the model is loaded",
    family="text",
    story=(
        "The letters of the training text are numbered, the model learns the numbers, "
        "and the numbering is not saved with the weights. At sampling time it is built "
        "again: from the prompt, or from the same text by a `set`, whose order Python "
        "changes from run to run. All ids are in range and the model answers, in "
        "somebody else's alphabet."
    ),
    contract="An id stands for the letter that it stood for in training.",
    check="tokenizer round trip",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "karpathy/minGPT#21",
        "makcedward/nlp#7",
        "huggingface/transformers#17431",
        "OpenCoder-llm/OpenCoder-llm#21",
    ),
)
