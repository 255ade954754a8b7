"""Training as one compiled program, where the backend has one."""

import keras
import numpy as np


class Fit:
    """Fits a compiled model: on JAX all steps in one program, else by `fit`.

    Networks as small as these spend most of the time of `fit` between the steps.

    Args:
        model: A compiled model.
    """

    def __init__(self, model):
        self.model = model
        self._program = None

    def __call__(self, x, y, batch_size, epochs, seed):
        """Trains on all rows, in batches of about this size, in an order of the seed.

        All batches are of one size, so a few rows are left out of each epoch.
        """
        steps = max(1, round(len(x) / batch_size))
        size = len(x) // steps
        if keras.backend.backend() != "jax":
            self.model.fit(x, y, size, epochs, verbose=0)
            return
        generator = np.random.default_rng(seed)
        orders = [generator.permutation(len(x)) for _ in range(epochs)]
        places = np.stack(orders)[:, : steps * size].reshape(epochs * steps, size)
        self._scan(np.asarray(x, "float32"), np.asarray(y), places)

    def _scan(self, x, y, places):
        import jax

        variables = self._variables()
        if self._program is None:

            def program(state, x, y, places):
                def step(state, at):
                    _, state = self.model.train_step(state, (x[at], y[at]))
                    return state, None

                return jax.lax.scan(step, state, places)[0]

            self._program = jax.jit(program)
        state = [[each.value for each in part] for part in variables]
        state = self._program(tuple(state), x, y, places)
        for part, values in zip(variables, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)

    def _variables(self):
        model = self.model
        parts = (model.trainable_variables, model.non_trainable_variables)
        return (*parts, model.optimizer.variables, model.metrics_variables)
