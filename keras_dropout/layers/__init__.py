"""The noise layers. Every one is an ordinary Keras layer."""

from keras_dropout.layers.alpha import AlphaDropout, FeatureAlphaDropout
from keras_dropout.layers.attention import DropHead, DropKey
from keras_dropout.layers.base import NoiseLayer
from keras_dropout.layers.channels import (
    ChannelDropout,
    LockedDropout,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from keras_dropout.layers.cutout import Cutout
from keras_dropout.layers.drop_block import (
    DropBlock1D,
    DropBlock2D,
    DropBlock3D,
)
from keras_dropout.layers.drop_connect import DropConnect
from keras_dropout.layers.dropout import Dropout, MCDropout
from keras_dropout.layers.embedding import EmbeddingDropout
from keras_dropout.layers.gaussian import GaussianDropout, GaussianNoise
from keras_dropout.layers.layer_drop import LayerDrop
from keras_dropout.layers.max_norm_dropout import MaxNormDropout
from keras_dropout.layers.max_pooling import (
    MaxPoolingDropout1D,
    MaxPoolingDropout2D,
    MaxPoolingDropout3D,
)
from keras_dropout.layers.mixout import Mixout
from keras_dropout.layers.multi_sample import MultiSampleDropout
from keras_dropout.layers.patches import PatchDropout
from keras_dropout.layers.paths import DropPath, StochasticDepth
from keras_dropout.layers.r_drop import RDrop
from keras_dropout.layers.recurrent_dropout import (
    RecurrentDropoutGRU,
    RecurrentDropoutLSTM,
)
from keras_dropout.layers.shake import ShakeDrop, ShakeShake
from keras_dropout.layers.stochastic_pooling import (
    StochasticPooling1D,
    StochasticPooling2D,
    StochasticPooling3D,
)
from keras_dropout.layers.tokens import TokenDropout
from keras_dropout.layers.uout import UOut
from keras_dropout.layers.weight_drop import WeightDrop
from keras_dropout.layers.zoneout import Zoneout

__all__ = [
    "AlphaDropout",
    "ChannelDropout",
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
    "LayerDrop",
    "LockedDropout",
    "MCDropout",
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
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StochasticDepth",
    "StochasticPooling1D",
    "StochasticPooling2D",
    "StochasticPooling3D",
    "TokenDropout",
    "UOut",
    "WeightDrop",
    "Zoneout",
]
