"""Mistakes that the tests must notice: one small change of the source each.

A line of code is replaced by one that is wrong; the tests named with it must fail. A
line that is not found exactly once is an error, so the list keeps up with the code.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One mistake.

    Attributes:
        name: What is wrong, in a few words.
        file: The file of the package that is changed.
        old: What stands there.
        new: What stands there instead.
        tests: Files of tests. At least one of the tests must fail.
        backend: The only backend on which the change matters, or `None` for all.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple
    backend: str | None = None


def _in(file, *tests, backend=None):
    """Makes mutations of one file, told by the same tests."""

    def mutation(name, old, new):
        paths = tuple(f"tests/{test}.py" for test in tests)
        return Mutation(name, f"keras_dropout/{file}.py", old, new, paths, backend)

    return mutation


formula = _in("_layers/_base/formulas", "test_core_layers", "test_shake")
seeding = _in("random/_torch", "test_contract", "random/test_draws", backend="torch")
threefry = _in("random/threefry", "random/test_threefry")
scheme = _in("random/schemes", "uncertainty/test_sampling")
incoming = _in("constraints/incoming", "test_incoming")
ball = _in("constraints/max_norm", "test_max_norm")
ramp = _in("schedules/ramps", "test_schedules")
paper = _in("schedules/papers", "test_schedules")
loss = _in("losses/agreement", "test_passes")
statistic = _in("uncertainty/statistics", "uncertainty/test_statistics")
measure = _in("uncertainty/classes", "uncertainty/test_statistics")
picture = _in("plots/judged", "uncertainty/test_plots")
drawn = _in("plots/inputs", "uncertainty/test_plots")
block = _in("_layers/regions/_blocks", "test_drop_block")
shake = _in("_layers/paths/shake", "test_shake")
path = _in("_layers/paths/drop_path", "test_paths")
attention = _in("_layers/tokens/attention", "test_attention")
fused = _in("_layers/tokens/_fused", "test_fused_attention")
noisy = _in("random/_torch_attention", "test_noisy_attention", backend="torch")
connect = _in("_layers/weights/drop_connect", "test_weight_layers")
size = _in("sampling/sizes", "uncertainty/test_sizes")
surgery = _in("surgery/insert", "test_surgery")

kernel = _in("random/_triton_kernels", "random/test_triton", backend="torch")

MUTATIONS = (
    # Formulas.
    _in("_layers/_base/bernoulli", "test_core_layers")(
        "units that are kept are not scaled",
        "return formulas.keep_scale(rate)",
        "return None",
    ),
    formula(
        "kept units are not scaled",
        "return random.select(keep, x, scale)",
        "return random.select(keep, x)",
    ),
    formula(
        "alpha dropout has another variance",
        "(1.0 + square) - square * keep_probability",
        "1.0 + square * keep_probability",
    ),
    formula(
        "alpha dropout has another mean",
        "dropped = slope * (SELU_SATURATION * keep_probability)",
        "dropped = slope * SELU_SATURATION",
    ),
    formula(
        "the surrogate's gradient is lost",
        "return ops.stop_gradient(value) + (surrogate - ops.stop_gradient(surrogate))",
        "return value",
    ),
    _in("_layers/_base/formulas", "test_weight_layers")(
        "mixout does not keep the mean",
        'factor = ops.cast(keep, "float32") * scale',
        'factor = ops.cast(keep, "float32")',
    ),
    _in("_layers/_base/formulas", "test_recurrent_noise")(
        "zoneout blends the wrong way round",
        "return kept * old + (1 - kept) * new",
        "return kept * new + (1 - kept) * old",
    ),
    _in("_layers/units/gaussian", "test_core_layers")(
        "gaussian dropout has another variance",
        "(rate / (1.0 - rate)) ** 0.5",
        "rate**0.5",
    ),
    _in("_layers/pooling/uout", "test_shake")(
        "uout is not centred",
        "2.0 * random.uniform(ops.shape(x), self.key()) - 1.0",
        "random.uniform(ops.shape(x), self.key())",
    ),
    _in("_layers/pooling/max_pooling", "test_pooling")(
        "the largest unit of a window weighs least",
        "ops.arange(count - 1, -1, -1, ",
        "ops.arange(count, ",
    ),
    _in("_layers/pooling/stochastic_pooling", "test_pooling")(
        "a window is drawn from uniformly",
        "ops.expand_dims(uniforms, -1) * sums[..., -1:]",
        "ops.expand_dims(uniforms, -1) * ops.mean(sums, axis=-1, keepdims=True)",
    ),
    # Masks: who shares them, and how much they drop.
    kernel(
        "two decisions of a kernel are one",
        "_kept((b << 16) | (b >> 16), least, all_drop)",
        "_kept(b, least, all_drop)",
    ),
    kernel(
        "all ranks draw one mask in a kernel",
        "none, none + rank, none",
        "none, none, none",
    ),
    _in("random/_torch_cuda", "random/test_triton", backend="torch")(
        "the backward pass draws with a key of its own",
        "ctx.drawn = rate, key, scale, rank",
        "ctx.drawn = rate, key + 1, scale, rank",
    ),
    _in("random/__init__", "test_core_layers")(
        "the asked rate is not the rate",
        "return _backend.keep_mask(shape, rate, key)",
        "return _backend.keep_mask(shape, 0.98 * rate, key)",
    ),
    _in("_layers/channels/locked_dropout", "test_core_layers")(
        "each step has a mask of its own",
        "shapes.shared_over(shape, {self.time_axis})",
        "tuple(shape)",
    ),
    _in("_layers/tokens/embedding", "test_tokens")(
        "all rows drop other words",
        "shapes.one_per(self.per, (batch, self.input_dim), within=(1,))",
        "shapes.one_per('batch', (batch, self.input_dim), within=(1,))",
    ),
    _in("_layers/tokens/patches", "test_tokens")(
        "rounding costs a token",
        "fractions.Fraction(1.0 - rate).limit_denominator(10**6)",
        "fractions.Fraction(1.0 - rate)",
    ),
    _in("_layers/regions/cutout", "test_cutout")(
        "holes begin at their centre",
        "ops.expand_dims(centre - length // 2, -1)",
        "ops.expand_dims(centre, -1)",
    ),
    block(
        "one end of an axis is forgotten",
        "ops.zeros(largest - 1) + 2 / size",
        "ops.zeros(largest - 1) + 1 / size",
    ),
    block("the rate of seeds is not solved for", "_STEPS = 6", "_STEPS = 1"),
    path(
        "the branch is scaled though it should not be",
        "return super().factor(rate) if self.scale_by_keep else None",
        "return super().factor(rate)",
    ),
    path(
        "inference is not the mean",
        "return shortcut + residual * ops.cast(kept, residual.dtype)",
        "return shortcut + residual",
    ),
    shake(
        "the weights do not sum to one",
        "return weight * first + (1.0 - weight) * second",
        "return weight * first + weight * second",
    ),
    shake(
        "the middle of a range is not its middle",
        "sum(self.alpha_range) / 2",
        "sum(self.alpha_range)",
    ),
    attention(
        "heads are not scaled by those left",
        "return formulas.where_kept(keep, outputs, formulas.inverse(share))",
        "return formulas.where_kept(keep, outputs)",
    ),
    attention(
        "a query may be left without a key",
        "return ops.where(some, kept, valid)",
        "return kept",
    ),
    connect(
        "the gaussian has another variance",
        "(1.0 - keep) * formulas.inverse(keep) * squares",
        "(1.0 - keep) * squares",
    ),
    _in("_layers/weights/_affine", "test_weight_layers")(
        "the mean of a relu falls with the spread",
        "return mean * below + stddev * density",
        "return mean * below - stddev * density",
    ),
    _in("_layers/recurrent/recurrent_dropout", "test_recurrent_noise")(
        "the candidate of the LSTM is not dropped",
        "gate(i) * _scaled(factor, cell.activation(g))",
        "gate(i) * cell.activation(g)",
    ),
    _in("_layers/recurrent/zoneout", "test_recurrent_noise")(
        "the state h is kept as often as c",
        'return ["zoneout_h"] + ',
        'return ["zoneout_c"] + ',
    ),
    _in("_layers/passes/multi_sample", "test_passes")(
        "samples are joined to the wrong rows",
        "outputs = ops.reshape(outputs, (-1, self.samples, *shape[1:]))",
        "outputs = ops.swapaxes("
        "ops.reshape(outputs, (self.samples, -1, *shape[1:])), 0, 1)",
    ),
    # Seeds and generators.
    seeding(
        "neighbouring seeds share their draws",
        "SeedSequence((*host.words(key), _rank()))",
        "SeedSequence((sum(host.words(key)), _rank()))",
    ),
    seeding("ranks draw the same", "return distributed.get_rank()", "return 0"),
    seeding("ranks predict differently", "if context.is_active():", "if False:"),
    seeding("the counter stands still", "value.add_(step)", "value.add_(0 * step)"),
    threefry("another constant", "0x1BD11BDA", "0x1BD11BDB"),
    threefry("another rotation", "(17, 29, 16, 24)", "(17, 29, 16, 25)"),
    _in("random/_jax", "test_core_layers", backend="jax")(
        "all rows share their words",
        "place = along if stride == 1 else place + along * _modulo(stride)",
        "place = along",
    ),
    _in("random/_jax", "test_core_layers", backend="jax")(
        "normals are not centred", "steps * 2.0**-22 - 1.0", "steps * 2.0**-22 - 0.9"
    ),
    _in("random/_tensorflow", "test_core_layers", backend="tensorflow")(
        "the deviation is ignored",
        "numbers = stddev * numbers\n",
        "numbers = 1.0 * numbers\n",
    ),
    _in("random/_tensorflow", "random/test_draws", backend="tensorflow")(
        "the key is ignored",
        "reach(count, rate, tf.cast(key, tf.int64))",
        "reach(count, rate, 0 * tf.cast(key, tf.int64))",
    ),
    scheme("antithetic pairs are equal", "lambda u: _TOP - u", "lambda u: u"),
    scheme(
        "a stratum is drawn twice",
        'ops.cast(_order(drawn[0], samples), "float32")',
        '0 * ops.cast(_order(drawn[0], samples), "float32")',
    ),
    _in("random/subsets", "uncertainty/test_sampling")(
        "a sample that drops a unit is not counted",
        'return wanted - ops.cast(above < 0, "float32"), above',
        "return wanted, above",
    ),
    # What is saved, and what is live.
    _in("_layers/_base/state", "test_contract")(
        "the seed is not saved",
        'store["seed"] = words.astype("uint32")',
        'store["seed"] = 0 * words.astype("uint32")',
    ),
    _in("_layers/_base/noise_layer", "test_scheduled_layers")(
        "schedules never advance",
        "step.assign(ops.convert_to_tensor(step) + 1)",
        "step.assign(ops.convert_to_tensor(step))",
    ),
    # Max-norm: its axes, its limit, its rounding.
    incoming(
        "convolutions sum over positions only",
        '_convolution = {"kernel": _all_but_last}',
        '_convolution = {"kernel": _positions}',
    ),
    incoming(
        "the norm of a word is that of a column",
        '_embedding = {"embeddings": (1,)}',
        '_embedding = {"embeddings": (0,)}',
    ),
    incoming(
        "transposed kernels have their axes swapped",
        "return (*range(layer.rank), layer.rank + 1)",
        "return (*range(layer.rank), layer.rank)",
    ),
    ball(
        "the projection is not idempotent",
        "inside = norms <= max_value * (1.0 + rounding(dtype, count))",
        "inside = norms <= max_value",
    ),
    ball(
        "the norm is not the root of the squares",
        "ops.sqrt(ops.sum(ops.square(weights)",
        "(ops.sum(ops.abs(weights)",
    ),
    _in("constraints/report", "test_apply_max_norm")(
        "units at the limit are not counted",
        "(norms >= limit * (1 - rounding(dtype, count)))",
        "(norms > limit * (1 + rounding(dtype, count)))",
    ),
    # Schedules.
    ramp(
        "half a wave is a quarter",
        "return (1.0 - ops.cos(math.pi * progress)) / 2.0",
        "return ops.sin(math.pi * progress / 2.0)",
    ),
    ramp("a step comes late", "step >= boundary", "step > boundary"),
    paper(
        "the last step has a rate still",
        "fraction(step, max(self.steps - 1, 1))",
        "fraction(step, self.steps)",
    ),
    paper("gamma is ignored", "(-self.gamma / self.steps)", "(-10.0 / self.steps)"),
    _in("schedules/depth", "test_schedules")(
        "the last block has not the full rate",
        '"paper": (1, depth)',
        '"paper": (0, depth)',
    ),
    _in("schedules/base", "test_schedules")(
        "a ramp begins at once",
        "(as_float(step) - begin) / steps",
        "as_float(step) / steps",
    ),
    # Losses.
    loss(
        "the divergence is counted twice",
        "return 0.5 * ops.sum(difference, axis=-1)",
        "return ops.sum(difference, axis=-1)",
    ),
    loss(
        "samples are summed",
        "for sample in samples) / len(samples)",
        "for sample in samples)",
    ),
    # Statistics.
    statistic(
        "a merge forgets one of the weights",
        'total(square, each["count"])',
        "total(square)",
    ),
    _in("uncertainty/pooling", "uncertainty/test_statistics")(
        "the error is that of one block more",
        "return squares / (count * (blocks - 1.0))",
        "return squares / (count * blocks)",
    ),
    statistic(
        "a merge forgets the distance of the means",
        'summary["information"] + _divergence(q, mean, measure, xp)',
        'summary["information"]',
    ),
    statistic(
        "votes of one side are lost", 'total(each["votes"])', 'each["votes"][-1]'
    ),
    statistic(
        "the other label has no entropy",
        "total = total + (1.0 - p) * xp.log(xp.maximum(1.0 - p, _TINY))",
        "pass",
    ),
    measure("a vote agrees with itself", "(votes * (votes - 1))", "(votes * votes)"),
    measure("the margin is to the third", "ordered[..., -2]", "ordered[..., 0]"),
    # Pictures.
    picture(
        "the certain are handed over first",
        "_, group = np.unique(uncertainty, return_inverse=True)",
        "_, group = np.unique(-uncertainty, return_inverse=True)",
    ),
    picture("half of the interval counts", "np.abs(2 * quantile - 1)", "quantile"),
    drawn("the width of the band is ignored", "spread = width * ", "spread = 1.0 * "),
    # Surgery and callbacks.
    surgery(
        "copies share one seed",
        'SeedSequence([config["seed"], next(places)])',
        'SeedSequence([config["seed"], 0 * next(places)])',
    ),
    surgery(
        "the noise is put on the other side",
        "return Chain(target, target, **{position: new})",
        "return Chain(target, target, after=new)",
    ),
    _in("surgery/strip", "test_surgery")(
        "Monte Carlo noise is left on",
        "return _silent(layer) if layer.monte_carlo else layer",
        "return layer",
    ),
    fused(
        "the noise within is passed over",
        "return dropout.is_noisy(training)",
        "return 0",
    ),
    fused(
        "samples pass over Keras's dropout within",
        "return training or context.is_on(dropout)",
        "return training",
    ),
    fused("a factor at inference is left out", " or _changes_inference(dropout)", ""),
    noisy(
        "PyTorch's generator keeps a seed of ours", "generator.set_state(state)", "pass"
    ),
    noisy("attention draws by PyTorch's own seed", "generator.manual_seed(seed)", ""),
    _in("random/_torch", "random/test_accelerators", backend="torch")(
        "the first state of a generator is not the one that is noted",
        "(known, 0)",
        "(known, 1)",
    ),
    _in("callbacks/rate_scheduler", "test_callbacks")(
        "each epoch begins anew",
        "self._assign(self._begun + batch)",
        "self._assign(batch)",
    ),
    # Sampling: sizes and tiling.
    size("calls overflow the cache", "_CACHE = 4 << 20", "_CACHE = 8 << 20"),
    size("pairs are parted", 'step = 2 if masks == "antithetic" else 1', "step = 1"),
)
