"""Monte Carlo prediction on Ray Data. Ray is imported when it is used."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_dropout import _validation
from keras_dropout._typing import Model
from keras_dropout._validation import invalid
from keras_dropout.integrations.batches import BatchPredictor

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["predict"]


def __dir__() -> list[str]:
    return __all__


def predict(
    dataset: Dataset,
    model_or_path: Model | str | os.PathLike[str],
    *,
    x: Any,
    concurrency: int | tuple[int, int] | None = None,
    num_gpus: float = 0,
    num_cpus: float | None = None,
    block_rows: int = 4096,
    preserve_order: bool = True,
    remote_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> Dataset:
    """A Ray Dataset with the answers of a model added as columns.

    Nothing is computed before the result is read, written or iterated. Then each of
    Ray's actors loads the model once, and computes blocks of rows. Ray takes care of
    memory, order, progress and retries. An actor that dies is replaced, and its blocks
    are computed again, with the same noise.

    Args:
        dataset: A `ray.data.Dataset`.
        model_or_path: A Keras model, or a path that all actors can read.
        x: The columns that the model takes, as in
            [BatchPredictor][keras_dropout.integrations.BatchPredictor].
        concurrency: Integer, the number of actors; a pair, the minimum and the maximum;
            or `None` for as many as Ray can start.
        num_gpus: The GPUs of each actor, also a fraction. Actors that share a GPU share
            its memory: on JAX each takes its fraction, on TensorFlow what it needs.
            Without such a GPU in the cluster there is a warning, and Ray waits for one.
        num_cpus: The processors of each actor, or `None` for Ray's default.
        block_rows: Integer of at least 1, how many rows an actor gets at a time.
        preserve_order: Whether rows keep their order. For this Ray waits for slower
            blocks. With independent masks it also makes the blocks, and so the noise,
            the same in each run.
        remote_args: Dictionary of other arguments of `Dataset.map_batches`.
        **options: Arguments of `BatchPredictor`, such as `outputs`, `samples`, `masks`.

    Returns:
        A `ray.data.Dataset`.

    Raises:
        ImportError: Ray is not installed.
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range. When the result is read, Ray raises
            what a model or its data raises in an actor.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            "`integrations.ray` needs Ray, which is not installed. Install it with "
            "`pip install keras-dropout[ray]`"
        ) from error
    if not isinstance(dataset, ray.data.Dataset):
        raise TypeError(invalid("dataset", "a `ray.data.Dataset`", dataset))
    block_rows = _validation.integer("block_rows", block_rows, minimum=1)
    preserve_order = _validation.boolean("preserve_order", preserve_order)
    pool = _pool(concurrency, ray.data.ActorPoolStrategy)
    predictor = BatchPredictor(model_or_path, x=x, **options)
    told = dict(remote_args or {})
    environment = dict(told.pop("runtime_env", {}))
    # Actors do not know what the caller chose.
    own = {"KERAS_BACKEND": keras.backend.backend(), **_memory(num_gpus)}
    environment["env_vars"] = {**own, **environment.get("env_vars", {})}
    there = ray.cluster_resources().get("GPU", 0)
    if there < num_gpus:
        warnings.warn(
            f"Each actor asks for num_gpus={num_gpus}, but this cluster has {there:g}. "
            "Ray waits until one is added. Pass `num_gpus=0` to use processors",
            stacklevel=2,
        )
    answered = dataset.map_batches(
        _Actor,
        # Put there once, and not into the description of each actor.
        fn_constructor_args=(ray.put(predictor),),
        batch_size=block_rows,
        batch_format="numpy",
        compute=pool,
        num_gpus=num_gpus,
        num_cpus=num_cpus,
        runtime_env=environment,
        **told,
    )
    answered.context.execution_options.preserve_order = preserve_order
    return answered


class _Actor:
    """What each actor of Ray keeps: the predictor, with its model loaded."""

    def __init__(self, predictor):
        import ray

        self._predictor = ray.get(predictor)
        self._predictor.load()

    def __call__(self, batch):
        return self._predictor(batch)


def _memory(num_gpus):
    """Variables for actors that share a GPU, of which one would take most."""
    if not 0 < num_gpus < 1:
        return {}
    return {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * num_gpus:.3f}",
    }


def _pool(concurrency, strategy):
    if concurrency is None:
        return strategy()
    if isinstance(concurrency, tuple) and len(concurrency) == 2:
        least, most = (
            _validation.integer("concurrency", each, minimum=1) for each in concurrency
        )
        return strategy(min_size=least, max_size=most)
    return strategy(size=_validation.integer("concurrency", concurrency, minimum=1))
