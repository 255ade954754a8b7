"""The noise layers. Every one is an ordinary Keras layer.

The argument `per` says what has a draw of its own, and so what shares its noise:

- `"element"`: each number, or each weight,
- `"channel"`: each channel of each row,
- `"row"`: each row of the batch,
- `"step"`: each step of each row,
- `"batch"`: the whole batch, which shares one draw,
- `"input"`, of weights: each input of the layer, whose weights share one draw.

A layer takes those that its noise has a meaning for. A draw is a single number or, as
with the words of an embedding or the blocks of a map, a whole mask.
"""

from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers.channels.channel_dropout import ChannelDropout
from keras_dropout._layers.channels.feature_alpha import FeatureAlphaDropout
from keras_dropout._layers.channels.locked_dropout import LockedDropout
from keras_dropout._layers.channels.spatial import (
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from keras_dropout._layers.learned.concrete import ConcreteDropout
from keras_dropout._layers.learned.information import InformationDropout
from keras_dropout._layers.learned.masksembles import Masksembles
from keras_dropout._layers.learned.sparse_variational import SparseVariationalDropout
from keras_dropout._layers.learned.standout import Standout
from keras_dropout._layers.learned.targeted import TargetedDropout
from keras_dropout._layers.learned.variational import VariationalDropout
from keras_dropout._layers.passes.multi_sample import MultiSampleDropout
from keras_dropout._layers.passes.r_drop import RDrop
from keras_dropout._layers.paths.drop_path import DropPath, StochasticDepth
from keras_dropout._layers.paths.layer_drop import LayerDrop
from keras_dropout._layers.paths.shake import ShakeDrop, ShakeShake
from keras_dropout._layers.pooling.max_pooling import (
    MaxPoolingDropout1D,
    MaxPoolingDropout2D,
    MaxPoolingDropout3D,
)
from keras_dropout._layers.pooling.stochastic_pooling import (
    StochasticPooling1D,
    StochasticPooling2D,
    StochasticPooling3D,
)
from keras_dropout._layers.pooling.uout import UOut
from keras_dropout._layers.recurrent.recurrent_dropout import (
    RecurrentDropoutGRU,
    RecurrentDropoutLSTM,
)
from keras_dropout._layers.recurrent.zoneout import Zoneout
from keras_dropout._layers.regions.cutout import Cutout
from keras_dropout._layers.regions.drop_block import (
    DropBlock1D,
    DropBlock2D,
    DropBlock3D,
)
from keras_dropout._layers.tokens.attention import DropHead, DropKey
from keras_dropout._layers.tokens.embedding import EmbeddingDropout
from keras_dropout._layers.tokens.patches import PatchDropout
from keras_dropout._layers.tokens.token_dropout import TokenDropout
from keras_dropout._layers.units.alpha import AlphaDropout
from keras_dropout._layers.units.dropout import Dropout, MCDropout
from keras_dropout._layers.units.gaussian import GaussianDropout, GaussianNoise
from keras_dropout._layers.units.max_norm_dropout import MaxNormDropout
from keras_dropout._layers.weights.drop_connect import DropConnect
from keras_dropout._layers.weights.mixout import Mixout
from keras_dropout._layers.weights.weight_drop import WeightDrop

__all__ = [
    "AlphaDropout",
    "ChannelDropout",
    "ConcreteDropout",
    "Cutout",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropConnect",
    "DropHead",
    "DropKey",
    "DropPath",
    "Dropout",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "InformationDropout",
    "LayerDrop",
    "LockedDropout",
    "MCDropout",
    "Masksembles",
    "MaxNormDropout",
    "MaxPoolingDropout1D",
    "MaxPoolingDropout2D",
    "MaxPoolingDropout3D",
    "Mixout",
    "MultiSampleDropout",
    "NoiseLayer",
    "PatchDropout",
    "RDrop",
    "RecurrentDropoutGRU",
    "RecurrentDropoutLSTM",
    "ShakeDrop",
    "ShakeShake",
    "SparseVariationalDropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Standout",
    "StochasticDepth",
    "StochasticPooling1D",
    "StochasticPooling2D",
    "StochasticPooling3D",
    "TargetedDropout",
    "TokenDropout",
    "UOut",
    "VariationalDropout",
    "WeightDrop",
    "Zoneout",
]


def __dir__() -> list[str]:
    return __all__
