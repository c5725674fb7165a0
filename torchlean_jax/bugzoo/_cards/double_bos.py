"""The template writes the first token, and the tokenizer adds it again."""

from torchlean_jax.bugzoo._card import Card, Finding
from torchlean_jax.bugzoo._checks import round_trip

VOCABULARY = ["<s>", "</s>", "user:", "assistant:", "hello", "there"]
BOS = VOCABULARY.index("<s>")


def tokenize(text, add_special_tokens=True):
    ids = [VOCABULARY.index(word) for word in text.split()]
    return [BOS, *ids] if add_special_tokens else ids


def faulty(conversation):
    return tokenize(conversation)


def fixed(conversation):
    return tokenize(conversation, add_special_tokens=False)


def examine(encode) -> Finding:
    def decode(ids):
        return " ".join(VOCABULARY[i] for i in ids)

    # as a chat template renders them: it writes every special token itself
    rendered = ["<s> user: hello there assistant:", "<s> user: there assistant:"]
    return round_trip(encode, decode, rendered)


CARD = Card(
    name="double-bos",
    title="The template writes the first token, the tokenizer adds it again",
    family="text",
    story=(
        "Chat templates render a conversation as text with its special tokens in it, "
        "the first one included. Given to the tokenizer as if it were plain text, it "
        "gets another one in front. Models rarely saw two; they answer all the same, "
        "a little worse, and a reader who prints the text with special tokens "
        "left out sees nothing."
    ),
    contract="What was rendered is what the ids say: no token more, none less.",
    check="tokenizer round trip",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "deepseek-ai/DeepSeek-R1#151",
        "ggml-org/llama.cpp#7107",
        "sgl-project/sglang#888",
        "allenai/reward-bench#164",
    ),
)
