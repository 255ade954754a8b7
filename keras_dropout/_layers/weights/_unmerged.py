"""The frozen weights and the matrices of LoRA in a file, each as it is."""

import weakref

import keras
import numpy as np

from keras_dropout._validation import invalid


class Unmerged(keras.layers.Layer):
    """Saves the weights of a layer with LoRA so that training can continue.

    Keras saves the sum of the frozen kernel and of what LoRA adds, and sets the
    matrices to 0 when it loads that. Nothing is left then that dropout could act on,
    and a quantized kernel has been rounded once more. So a file holds both: the sum in
    the place where Keras looks for it, and here all weights as they are.

    It is a layer that is never called, as is `NoiseState`.

    Args:
        owner: The layer with LoRA.
    """

    def __init__(self, owner):
        super().__init__(name=f"{owner.name}_unmerged", trainable=False)
        # Keras walks through all that a layer holds when it loads one.
        self.owner = weakref.ref(owner)

    def save_own_variables(self, store):
        for variable in self.owner().weights:
            store[variable.name] = variable

    def load_own_variables(self, store):
        """Takes over weights as they were, after Keras has loaded the sum.

        A file of Keras's own layer has none. Where LoRA has another rank than in the
        file, or the kernel another quantization, the sum stays. The weight of a learned
        rate may be missing, and stays as it is.
        """
        owner, names = self.owner(), set(store.keys())
        learned = {v.name: v for v in owner.learned_weights()}
        weights = {v.name: v for v in owner.weights if v.name not in learned}
        rates = {name for name in names if name.endswith("_logit")}
        fits = weights.keys() == names - rates and all(
            tuple(store[name].shape) == tuple(v.shape) for name, v in weights.items()
        )
        if not fits:
            return
        known = {name: v for name, v in learned.items() if name in names}
        for name, variable in known.items():
            if not np.isfinite(value := np.asarray(store[name])).all():
                raise ValueError(invalid(variable.path, "a finite number", value))
        for name, variable in {**weights, **known}.items():
            variable.assign(store[name])
