"""Lets a wrapping model read the weights of a model, without donating them."""

from __future__ import annotations

import contextlib

import keras

from keras_dropout import _keras
from keras_dropout.sampling import weights


class Lender:
    """A model around another. Its `predict` only reads the weights of the inner model.

    If other threads may use the inner model, `predict` works on copies of the weights.
    Then Keras donates the memory of the copies, and only the seed is put back. This
    class comes before `keras.Model` among the bases, and needs the attributes `model`
    and `seed_generator`.
    """

    # Read by `_away`: values that are held are those of the variables, or not.
    works_on_copies: bool = False

    def _get_jax_state(self, *, purge_model_variables=False, **groups):
        self.works_on_copies = self._must_copy()
        purge = purge_model_variables and not self.works_on_copies
        with self._lent(kept=False):
            return super()._get_jax_state(purge_model_variables=purge, **groups)

    def _record_training_state_sharding_spec(self):
        # Older Keras looks at the weights before it takes them.
        self.works_on_copies = self._must_copy()
        with self._lent(kept=True):
            super()._record_training_state_sharding_spec()

    def _must_copy(self):
        away = any(_keras.is_taken(variable) for variable in self.variables)
        return away or not weights.is_alone()

    def _lent(self, *, kept):
        if not self.works_on_copies:
            return contextlib.nullcontext()
        values = weights.copies(self.variables, [self.model], kept=kept)
        return keras.StatelessScope(zip(self.variables, values, strict=True))

    def jax_state_sync(self) -> None:
        """Puts back what `predict` has changed. Keras calls it on JAX."""
        if not self.works_on_copies:
            super().jax_state_sync()
            return
        seed = self.seed_generator.state
        taken = _keras.taken_by(self)
        if _keras.is_ahead(self) and id(seed) in taken:
            seed.assign(taken[id(seed)])
        _keras.mark_as_synced(self)
