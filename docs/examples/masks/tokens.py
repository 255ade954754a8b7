"""Pictures of the layers that drop tokens, words, heads and keys."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

HEADS, SIZE = 6, 4


def token_dropout():
    """Which of some ids stay; the last eight are padding, which is protected."""
    ids = np.full((6, 32), 7)
    ids[:, -8:] = 0
    layer = layers.TokenDropout(0.3, token_id=1, seed=1)
    kept = keras.ops.convert_to_numpy(layer(ids, training=True)) != 1
    return drawing.picture({"": kept}, "tokens", "rows")


def patch_dropout():
    """Which of 14 by 14 patches stay."""
    layer = layers.PatchDropout(
        0.5, num_prefix_tokens=0, return_indices=True, ordered=True, seed=1
    )
    _, indices = layer(np.ones((4, 14 * 14, 2), "float32"), training=True)
    panels = {}
    for i, row in enumerate(keras.ops.convert_to_numpy(indices)):
        kept = np.zeros(14 * 14)
        kept[row] = 1
        panels[f"image {i + 1}"] = kept.reshape(14, 14)
    return drawing.picture(panels)


def embedding_dropout():
    """The words of a sentence: equal ones are dropped together."""
    words = ["the", "cat", "saw", "the", "dog", "and", "the", "dog", "saw", "the"]
    ids = np.array([[sorted(set(words)).index(word) for word in words]])
    layer = layers.EmbeddingDropout(
        len(set(words)), 16, 0.4, seed=3, embeddings_initializer="ones"
    )
    y = keras.ops.convert_to_numpy(layer(ids, training=True))[0]
    figure = drawing.picture({"": y}, "embedding")
    figure.axes[0].set_yticks(drawing.middles(len(words)), words, fontsize=7)
    return figure


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


def drop_head():
    y = attention(layers.DropHead(HEADS, SIZE, rate=0.4, seed=2))
    panels = dict(zip(ROWS, keras.ops.convert_to_numpy(y), strict=True))
    return drawing.picture(panels, f"{HEADS} heads of {SIZE} features", "steps")


def drop_key():
    layer = layers.DropKey(HEADS, SIZE, rate=0.3, seed=1)
    _, weights = attention(layer, return_attention_scores=True)
    heads = keras.ops.convert_to_numpy(weights)[0]
    panels = {f"head {i + 1}": head for i, head in enumerate(heads)}
    return drawing.picture(panels, "keys", "queries", "value")


ROWS = [f"sequence {i + 1}" for i in range(3)]

PICTURES = {
    "TokenDropout": token_dropout,
    "PatchDropout": patch_dropout,
    "EmbeddingDropout": embedding_dropout,
    "DropHead": drop_head,
    "DropKey": drop_key,
}
