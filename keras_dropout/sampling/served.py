"""A model as a SavedModel can serve it: its answer is one flat dictionary."""

from typing import Any

import keras

from keras_dropout import _bases
from keras_dropout._keras import input_structure, output_structure
from keras_dropout._typing import Tensors
from keras_dropout.graph.models import graph_of
from keras_dropout.random import exports
from keras_dropout.sampling import made_up, nested


class Served(_bases.Model):
    """Gives what a model gives under names that join keys and places: `"a_0_mean"`.

    Args:
        model: A model whose outputs are nested.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name=model.name)
        self.model: keras.Model = model

    def call(self, inputs: Tensors) -> Tensors:
        answers = keras.tree.flatten_with_path(self.model(inputs))
        return {"_".join(map(str, path)): answer for path, answer in answers}


def prepared(
    server: keras.Model, structure: Any, format: str, options: dict[str, Any]
) -> tuple[keras.Model, dict[str, Any]]:
    """What to export for a `MonteCarlo`, and the options for it.

    Args:
        server: A `MonteCarlo`.
        structure: How the outputs of its model are nested, or `None` where not known.
        format: A format of `keras.Model.export`.
        options: Its other options, a dictionary.

    Returns:
        A model that is met and built, and a dictionary.
    """
    if format in exports.FORMATS:
        raise exports.refusal(format)
    graph, signature = graph_of(server.model), options.get("input_signature")
    if graph is not None:
        inputs, structure = input_structure(graph), output_structure(graph)
        signature = signature or [nested.mapped(_spec, inputs)]
        if not server.built:
            server(inputs)
    elif signature is not None:
        # It may not have been met, and then draws one sample at a time.
        server.learn(made_up.for_tensors(signature[0]))
    if format == "tf_saved_model" and keras.tree.is_nested(structure):
        if signature is None:
            raise ValueError(
                "A model with several outputs that is called by code of its own needs "
                "an `input_signature` to be exported, a list with one structure of "
                "`keras.InputSpec` as it takes its inputs. Received: "
                "input_signature=None"
            )
        server = Served(server)
        server(keras.tree.map_structure(_symbolic, signature[0]))
    return server, {**options, "input_signature": signature}


def _spec(tensor):
    """What is taken for a symbolic input."""
    return keras.InputSpec(shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _symbolic(spec):
    """The reverse."""
    return keras.KerasTensor(spec.shape, spec.dtype or "float32")
