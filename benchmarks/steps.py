"""One training step of a layer, forward and backward, on the backend in force."""

import keras

BACKEND = keras.backend.backend()
MODES = {
    "tensorflow": ("graph", "jit"),
    "jax": ("jit",),
    "torch": ("eager", "compile"),
}


def training_step(call, variables, x, mode, given=()):
    """A function that runs `call` on `x` and its gradient, and waits for both.

    Args:
        call: Function from a tensor to a tensor.
        variables: The Keras variables that `call` reads or changes.
        x: NumPy array, the input. The gradient that comes back is `x` again.
        mode: One of `MODES` of the backend.
        given: More arrays, to call `call(x, *given)`, without a gradient.
    """
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND](
        call, variables, x, mode, given
    )


def drawing(draw, variables, mode):
    """A function that runs `draw`, of nothing, and waits for what it gives."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(draw, jit_compile=mode == "jit")
    if BACKEND == "jax":
        import jax

        step = jax.jit(lambda state: _stateless(draw, variables, state))
        state = [v.value for v in variables]
        return lambda: jax.block_until_ready(step(state))
    if mode == "compile":
        raise ValueError("A compiled draw is part of the loop that uses it.")
    return draw


def _stateless(call, variables, state):
    """What `call` gives, and the new state of the variables."""
    mapping = list(zip(variables, state, strict=True))
    with keras.StatelessScope(mapping) as scope:
        y = call()
    return y, [scope.get_current_value(v) for v in variables]


def _tensorflow(call, variables, x, mode, given):
    import tensorflow as tf

    x, given = tf.constant(x), [tf.constant(each) for each in given]

    @tf.function(jit_compile=mode == "jit")
    def step(x, upstream, given):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x, *given)
        return y, tape.gradient(y, x, upstream)

    waits = bool(tf.config.list_logical_devices("GPU"))

    def run():
        results = step(x, x, given)
        if waits:
            tf.test.experimental.sync_devices()
        return results

    return run


def _jax(call, variables, x, mode, given):
    import jax

    x, given = jax.numpy.asarray(x), [jax.numpy.asarray(each) for each in given]

    @jax.jit
    def step(x, upstream, state, given):
        def forward(x):
            return _stateless(lambda: call(x, *given), variables, state)

        y, pull, new = jax.vjp(forward, x, has_aux=True)
        return y, pull(upstream)[0], new

    state = [v.value for v in variables]
    return lambda: jax.block_until_ready(step(x, x, state, given))


def _torch(call, variables, x, mode, given):
    import torch

    device = keras.ops.zeros(()).device
    dtype = getattr(torch, x.dtype.name)
    upstream = torch.from_numpy(x.astype("float32")).to(device, dtype)
    x = upstream.clone().requires_grad_()
    given = [torch.from_numpy(each).to(device) for each in given]
    if mode == "compile":
        # What was compiled before would count against the limit of recompilations,
        # and a second shape would be compiled for any shape.
        torch.compiler.reset()
        call = torch.compile(call)

    def step():
        y = call(x, *given)
        results = y, torch.autograd.grad(y, x, upstream)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return results

    return step
