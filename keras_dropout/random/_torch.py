"""Draws on PyTorch: the device's own generator, seeded by a hash of the key."""

import math

import torch

_MASK = (1 << 64) - 1


def _splitmix(z):
    """One step of SplitMix64 (Steele, Lea and Flood, 2014): a bijective hash."""
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _rank():
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    return 0


def mix_replica(words):
    """The rank is mixed in when the key is hashed, on the host."""
    return words


def _generator(key):
    if key.device.type == "meta":
        return None
    seed, counter = (word & 0xFFFFFFFF for word in key.tolist())
    state = _splitmix(_splitmix(_splitmix(seed) ^ counter) ^ _rank())
    # The CPU generator reads the low 32 bits only; all 64 count on other devices.
    return torch.Generator(key.device).manual_seed(state >> 1)


def keep_mask(shape, threshold, key):
    """True where 16 random bits reach the threshold."""
    count = math.prod(shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64, device=key.device)
    # From the least number on: all 64 bits of each word are random.
    words.random_(-(1 << 63), None, generator=_generator(key))
    halves = words.view(torch.int16)[:count].reshape(shape)
    # At 65536 the difference leaves 16 bits, and nothing is kept.
    return (halves >= threshold - 32768) & (threshold < 65536)


def uniform(shape, key):
    """Float32 uniforms on [0, 1)."""
    return torch.rand(shape, generator=_generator(key), device=key.device)


def normal(shape, key):
    """Float32 standard normals."""
    return torch.randn(shape, generator=_generator(key), device=key.device)
