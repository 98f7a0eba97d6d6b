"""The same numbers as PyTorch: results and gradients of one computation, made here and there.

All is compared in float64 on the NumPy backend, where nothing is compiled, so that a grid of many
options is quick; `modes` holds one of the cases against all other ways to run.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

import tinygraph as tg
from tinygraph import tree

torch.set_num_threads(1)

RTOL, ATOL = 1e-7, 1e-9


def ours(value):
    """Arrays, in any structure of lists, tuples and dictionaries, as Tensors."""
    return _mapped(value, lambda a: tg.tensor(a, requires_grad=a.dtype.kind == "f"))


def theirs(value):
    """The same as Tensors of PyTorch."""
    return _mapped(value, lambda a: torch.tensor(a, requires_grad=a.dtype.kind == "f"))


def _mapped(value, function):
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(part, function) for part in value)
    if isinstance(value, dict):
        return {name: _mapped(part, function) for name, part in value.items()}
    return value


def leaves(value):
    """The Tensors of either side in a structure, in order."""
    if isinstance(value, (tg.Tensor, torch.Tensor)):
        return [value]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return []


def close(mine, yours, what="result", rtol=RTOL, atol=ATOL):
    """Both have the same shape and kind, and the same values to rounding."""
    mine = mine.numpy() if isinstance(mine, tg.Tensor) else np.asarray(mine)
    yours = yours.detach().numpy() if isinstance(yours, torch.Tensor) else np.asarray(yours)
    assert mine.shape == yours.shape, f"{what}: shape {mine.shape}, PyTorch has {yours.shape}"
    assert mine.dtype == yours.dtype, f"{what}: dtype {mine.dtype}, PyTorch has {yours.dtype}"
    np.testing.assert_allclose(mine, yours, rtol=rtol, atol=atol, err_msg=what)


def _slopes(results, inputs, weights):
    """Both sides' gradients of a weighted sum of the results."""
    total = sum((r * w).sum() for r, w in zip(results, weights, strict=True))
    total.backward()
    return [leaf.grad for leaf in inputs]


def _compare(mine, yours, my_leaves, your_leaves, names, rtol, atol):
    """Results first, then the gradients of `my_leaves` and `your_leaves`."""
    assert len(mine) == len(yours), f"{len(mine)} results, PyTorch has {len(yours)}"
    for number, (m, y) in enumerate(zip(mine, yours, strict=True)):
        close(m, y, f"result {number}", rtol, atol)
    kept = [i for i, y in enumerate(yours) if y.requires_grad]
    if not kept:
        return
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(tuple(yours[i].shape)) for i in kept]
    weights = [w.astype(yours[i].detach().numpy().dtype) for w, i in zip(weights, kept)]
    my_grads = _slopes([mine[i] for i in kept], my_leaves, [tg.tensor(w) for w in weights])
    tg.realize(*[g for g in my_grads if g is not None])  # as one graph: much quicker
    theirs_ = [torch.tensor(w) for w in weights]
    your_grads = _slopes([yours[i] for i in kept], your_leaves, theirs_)
    for name, mine_, your in zip(names, my_grads, your_grads, strict=True):
        # where one side has None, the other may have zeros: both say that nothing flows back
        if mine_ is None or your is None:
            other = your if mine_ is None else mine_
            assert other is None or not np.any(np.asarray(other.detach().numpy()))
            continue
        close(mine_, your, f"gradient of {name}", rtol, atol)


def same(our_function, their_function, *inputs, rtol=RTOL, atol=ATOL, **options):
    """Both functions give the same on `inputs`, and the same gradients of all that are floats.

    inputs: NumPy arrays, or structures with such, or anything else, which is handed on as it is.
    options: keywords that both functions take.
    """
    with tg.backend("numpy"):
        here, there = ours(inputs), theirs(inputs)
        mine = leaves(our_function(*here, **options))
        yours = leaves(their_function(*there, **options))
        my_leaves = [leaf for leaf in leaves(here) if leaf.requires_grad]
        your_leaves = [leaf for leaf in leaves(there) if leaf.requires_grad]
        names = [f"input {i}" for i in range(len(my_leaves))]
        _compare(mine, yours, my_leaves, your_leaves, names, rtol, atol)


def load(module, peer):
    """`module` with the parameters and buffers of PyTorch's `peer`, both in float64."""
    peer.double()
    module.to("float64")
    module.load_state_dict({name: t.numpy() for name, t in peer.state_dict().items()})
    return module.train(peer.training)


def same_module(module, peer, *inputs, rtol=RTOL, atol=ATOL, **options):
    """Both modules, with the state of `peer`, give the same: results, the gradients of inputs and
    of parameters, and the buffers afterwards. Their state dicts have the same names in order."""
    with tg.backend("numpy"):
        load(module, peer)
        assert list(module.state_dict()) == list(peer.state_dict())
        here, there = ours(inputs), theirs(inputs)
        mine = leaves(module(*here, **options))
        yours = leaves(peer(*there, **options))
        my_leaves = [leaf for leaf in leaves(here) if leaf.requires_grad]
        your_leaves = [leaf for leaf in leaves(there) if leaf.requires_grad]
        names = [f"input {i}" for i in range(len(my_leaves))]
        for (name, parameter), (their_name, their) in zip(
            module.named_parameters(), peer.named_parameters(), strict=True
        ):
            assert name == their_name
            names.append(name)
            my_leaves.append(parameter)
            your_leaves.append(their)
        _compare(mine, yours, my_leaves, your_leaves, names, rtol, atol)
        for (name, buffer), their in zip(module.named_buffers(), peer.buffers(), strict=True):
            close(buffer, their, f"buffer {name}", rtol, atol)


def modes(function, *arrays, rtol=1e-4, atol=1e-5, **options):
    """`function` of float32 or integer arrays, with its gradient, agrees run in every way.

    These are: lazily on the NumPy and the default backend, eagerly, and as a compiled graph.
    """
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

    def whole(*inputs):
        results = leaves(function(*inputs, **options))
        smooth = [r for r in results if r.dtype.kind == "f"]
        return results, sum((r * r).sum() for r in smooth)

    def with_gradients(*inputs):
        slopes = tg.grad(lambda *xs: whole(*xs)[1], argnums=tuple(floats))(*inputs)
        return [*whole(*inputs)[0], *leaves(slopes)]

    run = with_gradients if floats else lambda *xs: whole(*xs)[0]
    tensors = [tg.tensor(a) for a in arrays]
    with tg.backend("numpy"):
        expected = [r.numpy() for r in run(*tensors)]
    ways = {
        "lazy": lambda: run(*tensors),
        "eager": functools.partial(_eagerly, run, tensors),
        "graph": functools.partial(_as_a_graph, run, arrays),
    }
    for way, result in ways.items():
        for want, have in zip(expected, result(), strict=True):
            np.testing.assert_allclose(have.numpy(), want, rtol=rtol, atol=atol, err_msg=way)


def _eagerly(run, tensors):
    with tg.eager():
        return run(*tensors)


def _as_a_graph(run, arrays):
    inputs = [tg.placeholder(a.shape, a.dtype, name=f"x{i}") for i, a in enumerate(arrays)]
    found = tg.function(inputs, run(*inputs))(*arrays)
    return tree.flatten(found)[0]
