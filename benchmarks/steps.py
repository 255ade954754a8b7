"""One training step of a layer, forward and backward, on the backend in force."""

import keras

BACKEND = keras.backend.backend()
MODES = {
    "tensorflow": ("graph", "jit"),
    "jax": ("jit",),
    "torch": ("eager", "compile"),
}


def training_step(call, variables, x, mode):
    """A function that runs `call` on `x` and its gradient, and waits for both.

    Args:
        call: Function from a tensor to a tensor.
        variables: The Keras variables that `call` reads or changes.
        x: NumPy array, the input. The gradient that comes back is `x` again.
        mode: One of `MODES` of the backend.
    """
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND](
        call, variables, x, mode
    )


def _tensorflow(call, variables, x, mode):
    import tensorflow as tf

    x = tf.constant(x)

    @tf.function(jit_compile=mode == "jit")
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        return y, tape.gradient(y, x, upstream)

    return lambda: step(x, x)


def _jax(call, variables, x, mode):
    import jax

    x = jax.numpy.asarray(x)

    def stateless(x, state):
        mapping = list(zip(variables, state, strict=True))
        with keras.StatelessScope(mapping) as scope:
            y = call(x)
        return y, [scope.get_current_value(v) for v in variables]

    @jax.jit
    def step(x, upstream, state):
        y, pull, state = jax.vjp(lambda x: stateless(x, state), x, has_aux=True)
        return y, pull(upstream)[0], state

    state = [v.value for v in variables]
    return lambda: jax.block_until_ready(step(x, x, state))


def _torch(call, variables, x, mode):
    import torch

    upstream = torch.from_numpy(x.astype("float32")).to(getattr(torch, x.dtype.name))
    x = upstream.clone().requires_grad_()
    if mode == "compile":
        # What was compiled before would count against the limit of recompilations,
        # and a second shape would be compiled for any shape.
        torch.compiler.reset()
        call = torch.compile(call)

    def step():
        y = call(x)
        return y, torch.autograd.grad(y, x, upstream)

    return step
