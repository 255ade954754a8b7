"""Models as their backends export them, without Keras."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def exported(model, folder):
    """The exported and reloaded model: a function of one row of inputs.

    Of one, since PyTorch's export holds for the size of batch that Keras traced it
    with.
    """
    if BACKEND == "torch":
        import torch

        model.export(folder / "model.pt2", format="torch", verbose=False)
        program = torch.export.load(folder / "model.pt2").module()
        return lambda x: program(torch.from_numpy(x)).detach().numpy()
    import tensorflow as tf

    model.export(folder / "model", verbose=False)
    served = tf.saved_model.load(str(folder / "model"))
    return lambda x: keras.tree.map_structure(np.asarray, served.serve(x))
