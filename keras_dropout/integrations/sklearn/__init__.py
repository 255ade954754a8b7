"""Keras models as estimators of scikit-learn, which answer with their uncertainty.

Needs the extra `sklearn`. The estimators are those of `keras.wrappers`, sampled.
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "`integrations.sklearn` needs scikit-learn, which is not installed. Install it "
        "with `pip install keras-dropout[sklearn]`"
    ) from error

from keras_dropout.integrations.sklearn.classifier import MonteCarloClassifier
from keras_dropout.integrations.sklearn.regressor import MonteCarloRegressor

__all__ = ["MonteCarloClassifier", "MonteCarloRegressor"]


def __dir__() -> list[str]:
    return __all__
