"""Pictures of the layers that drop tokens, words, heads and keys."""

import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture

HEADS, SIZE = 6, 4


def token_dropout(rate):
    """Which of some ids stay; the last eight are padding, which is protected."""
    ids = np.full((6, 32), 7)
    ids[:, -8:] = 0
    layer = layers.TokenDropout(rate, token_id=1, seed=37)
    kept = drawing.numbers(layer(ids, training=True)) != 1
    return Panels({"": kept}, "tokens", "rows")


def patch_dropout(rate):
    """Which of 14 by 14 patches stay."""
    layer = layers.PatchDropout(
        rate, num_prefix_tokens=0, return_indices=True, ordered=True, seed=38
    )
    _, indices = layer(np.ones((4, 14 * 14, 2), "float32"), training=True)
    panels = {}
    for i, row in enumerate(drawing.numbers(indices)):
        kept = np.zeros(14 * 14)
        kept[row] = 1
        panels[f"image {i + 1}"] = kept.reshape(14, 14)
    return Panels(panels)


def embedding_dropout(rate):
    """The words of a sentence: equal ones are dropped together."""
    words = ["the", "cat", "saw", "the", "dog", "and", "the", "dog", "saw", "the"]
    ids = np.array([[sorted(set(words)).index(word) for word in words]])
    layer = layers.EmbeddingDropout(
        len(set(words)), 24, rate, seed=39, embeddings_initializer="ones"
    )
    y = drawing.numbers(layer(ids, training=True))[0]
    return Panels({"": y}, "embedding", names=tuple(words))


def attention(layer, **kwargs):
    """Calls an attention layer whose heads write to features of their own."""
    x = np.ones((3, 8, HEADS * SIZE), "float32")
    layer(x, x)
    eye = np.eye(HEADS * SIZE, dtype="float32").reshape(HEADS, SIZE, HEADS * SIZE)
    shapes = [weight.shape for weight in layer.weights]
    values = [np.zeros(shape, "float32") for shape in shapes]
    values[5] = np.ones(shapes[5], "float32")  # the bias of the values
    values[6] = eye  # the kernel of the output
    layer.set_weights(values)
    return layer(x, x, training=True, **kwargs)


def drop_head(rate):
    y = drawing.numbers(attention(layers.DropHead(HEADS, SIZE, rate=rate, seed=40)))
    panels = {f"sequence {i + 1}": matrix for i, matrix in enumerate(y)}
    return Panels(panels, f"{HEADS} heads of {SIZE} features", "steps")


def drop_key(rate):
    layer = layers.DropKey(HEADS, SIZE, rate=rate, seed=41)
    _, weights = attention(layer, return_attention_scores=True)
    heads = drawing.numbers(weights)[0]
    panels = {f"head {i + 1}": head for i, head in enumerate(heads)}
    return Panels(panels, "keys", "queries", "value")


PICTURES = {
    "TokenDropout": Picture(token_dropout),
    "PatchDropout": Picture(patch_dropout, shown=0.5),
    "EmbeddingDropout": Picture(embedding_dropout),
    "DropHead": Picture(drop_head),
    "DropKey": Picture(drop_key),
}
