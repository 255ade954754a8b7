"""The noise layers. Every one is an ordinary Keras layer."""

from keras_dropout.layers.alpha import AlphaDropout, FeatureAlphaDropout
from keras_dropout.layers.base import NoiseLayer
from keras_dropout.layers.channels import (
    ChannelDropout,
    LockedDropout,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from keras_dropout.layers.dropout import Dropout, MCDropout
from keras_dropout.layers.gaussian import GaussianDropout, GaussianNoise

__all__ = [
    "AlphaDropout",
    "ChannelDropout",
    "Dropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "LockedDropout",
    "MCDropout",
    "NoiseLayer",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]
