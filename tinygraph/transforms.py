"""Transformations of functions: gradients, Jacobians, mapping. Named as in JAX.

Each takes a Python function of pytrees of Tensors and returns another one. They build graphs
and compute nothing, so they nest in any order and to any depth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygraph import tree
from tinygraph.array.convert import to_tensor
from tinygraph.autodiff.batch import batch
from tinygraph.autodiff.forward import pushforward
from tinygraph.autodiff.mode import enable_grad
from tinygraph.autodiff.reverse import check_differentiable, gradients
from tinygraph.dtypes import is_float, uint64
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.graph.graph import topological
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.body import counted
from tinygraph.ops.movement import identity, iota, permute, reshape
from tinygraph.ops.movement import stop_gradient as stop_gradient_op
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.rules import full, product, show_shape, zeros_like
from tinygraph.runtime import lazy
from tinygraph.runtime.writes import refused
from tinygraph.tensor import Tensor

Function = Callable[..., Any]


def _nodes(values: Any) -> tuple[list[Node], tree.TreeDef]:
    """The nodes of a pytree of arrays and numbers."""
    leaves, structure = tree.flatten(values)
    return [to_tensor(leaf).node for leaf in leaves], structure


class _Variables:
    """Fresh nodes with the values of a pytree, in which gradients can be taken.

    What is built on them counts as part of a gradient until `settle` says that it is done.
    """

    def __init__(self, values: Any, what: str, differentiable: bool = True) -> None:
        self.originals, self.structure = _nodes(values)
        self.nodes = []
        for node in self.originals:
            if differentiable:
                check_differentiable(what, node)
            variable = identity(node)
            variable.grad = is_float(node.dtype)
            self.nodes.append(variable)

    @property
    def tree(self) -> Any:
        """The variables, as a pytree of Tensors."""
        return _tree(self.structure, self.nodes)

    def settle(self, roots: Sequence[Node], forget: bool = True) -> list[Node]:
        """Let nodes under `roots` require a gradient only where the original values ask for it.
        Returns those that do so no more; with `forget`, how they were computed may be lost."""
        for node, original in zip(self.nodes, self.originals, strict=True):
            node.grad = original.grad
        first = min((node.serial for node in self.nodes), default=0)
        settled = []
        for node in topological(roots, lambda n: not n.grad or n.serial <= first):
            if node.serial <= first or not node.grad or any(c.grad for c in node.inputs):
                continue
            if not node.inputs or node.cell is not None:  # a parameter made on the way
                continue
            node.grad = False
            settled.append(node)
            if forget and node.buffer is not None:
                lazy.keep(node, node.buffer)
        return settled


def _tree(structure: tree.TreeDef, nodes: Sequence[Node]) -> Any:
    return tree.unflatten(structure, [Tensor(node) for node in nodes])


def _or_zeros(nodes: Sequence[Node | None], like: Sequence[Node]) -> list[Node]:
    """Nodes, with zeros where nothing depends on a variable."""
    return [zeros_like(x) if g is None else g for g, x in zip(nodes, like, strict=True)]


def _scalar(value: Any, what: str) -> Node:
    if not isinstance(value, Tensor):
        raise ShapeError(
            f"{what} needs a function that returns one number as a Tensor, got "
            f"{type(value).__name__}, which is no Tensor: float(), .item() and .numpy() lose the "
            "history that a gradient needs"
        )
    if value.shape != ():
        raise ShapeError(
            f"{what} needs a function that returns one number, got shape {show_shape(value.shape)}"
        )
    check_differentiable(f"the result under {what}", value.node)
    return value.node


def value_and_grad(
    function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """A function that returns `function`'s value and its gradient.

    argnums: which positional arguments (pytrees of float Tensors) to differentiate in; for a
    sequence the gradients come as a tuple. has_aux: `function` returns (value, anything else),
    and the result is ((value, anything else), gradient).

    Raises ShapeError unless the value is one number, DTypeError for an integer argument.

    >>> import tinygraph as tg
    >>> tg.value_and_grad(lambda x: (x * x).sum())(tg.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            variables = _Variables(_chosen(args, chosen), "an argument of grad")
            result = function(*_replaced(args, chosen, variables.tree), **kwargs)
            value, aux = result if has_aux else (result, None)
            root = _scalar(value, "grad")
            found = gradients([root], [full((), 1, root.dtype)], variables.nodes)
        slopes = _or_zeros(found, variables.nodes)
        others = [leaf.node for leaf in tree.flatten(aux)[0] if isinstance(leaf, Tensor)]
        variables.settle([root, *slopes, *others])
        grads = _tree(variables.structure, slopes)
        grads = grads[0] if isinstance(argnums, int) else grads
        return ((value, aux) if has_aux else value), grads

    return wrapped


def _chosen(args: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    for place in places:
        if not -len(args) <= place < len(args):
            raise GraphError(
                f"argnums has {place}, but the call has {len(args)} positional arguments"
            )
    return tuple(args[place] for place in places)


def _replaced(args: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """`args` with `values` at `places`."""
    arguments = list(args)
    for place, value in zip(places, values, strict=True):
        arguments[place] = value
    return arguments


def grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of `function` (see `value_and_grad`).

    With `has_aux` it returns (gradient, aux).

    >>> import tinygraph as tg
    >>> tg.grad(lambda x: x**3)(tg.tensor(2.0))
    tensor(12.)
    >>> tg.grad(tg.grad(lambda x: x**3))(tg.tensor(2.0))
    tensor(12.)
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def vjp(function: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `function` at `primals`, and a function from a cotangent of that value to a
    tuple of cotangents of the primals (a row vector times the Jacobian).

    >>> import tinygraph as tg
    >>> y, pull = tg.vjp(lambda x: x * x, tg.tensor([1.0, 3.0]))
    >>> pull(tg.ones(2))[0]
    tensor([2., 6.])
    """
    with enable_grad():
        variables = _Variables(primals, "a primal of vjp", differentiable=False)
        outputs, out_structure = _nodes(function(*variables.tree))
    history = variables.settle(outputs, forget=False)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        given, got = _nodes(cotangent)
        _check_like(given, got, outputs, out_structure, "cotangent")
        for node in (*variables.nodes, *history):
            node.grad = is_float(node.dtype)
        with enable_grad():
            found = _or_zeros(gradients(outputs, given, variables.nodes), variables.nodes)
        variables.settle([*found, *outputs], forget=False)
        pulled: tuple[Any, ...] = _tree(variables.structure, found)
        return pulled

    return _tree(out_structure, outputs), pull


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `function` at `primals`, and its slope along `tangents` (the Jacobian times
    a column vector), by forward mode.

    >>> import tinygraph as tg
    >>> tg.jvp(tg.sin, (tg.tensor(0.0),), (tg.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    with enable_grad():
        variables = _Variables(tuple(primals), "a primal of jvp", differentiable=False)
        given, got = _nodes(tuple(tangents))
        _check_like(given, got, variables.nodes, variables.structure, "tangent")
        outputs, out_structure = _nodes(function(*variables.tree))
        pushed = _or_zeros(pushforward(outputs, variables.nodes, given), outputs)
    variables.settle([*outputs, *pushed])
    return _tree(out_structure, outputs), _tree(out_structure, pushed)


def _check_like(
    given: Sequence[Node], got: tree.TreeDef, like: Sequence[Node], want: tree.TreeDef, what: str
) -> None:
    if got != want:
        raise ShapeError(f"the {what} has structure {got}, expected {want}")
    for node, model in zip(given, like, strict=True):
        if node.shape != model.shape:
            raise ShapeError(
                f"a {what} has shape {show_shape(node.shape)}, expected {show_shape(model.shape)}"
            )


def _basis(x: Node) -> Node:
    """The unit vectors of the space of `x`: shape (size, *x.shape)."""
    size = product(x.shape)
    if not is_known(size):
        raise ShapeError(f"a Jacobian needs known sizes, got {show_shape(x.shape)}")
    eye = to_tensor(np.eye(int(size), dtype=x.dtype)).node
    return reshape(eye, shape=(size, *x.shape))


def jacrev(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns the Jacobian of `function`, row by row by reverse mode.

    For a result of shape R and an argument of shape A the Jacobian has shape R + A; for pytrees
    there is one for each pair of a result and an argument. Best where results are small.

    >>> import tinygraph as tg
    >>> tg.jacrev(lambda x: x * x)(tg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return _jacobian(function, argnums, _rows)


def jacfwd(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `jacrev`, column by column by forward mode. Best where arguments are small."""
    return _jacobian(function, argnums, _columns)


jacobian = jacrev


def _jacobian(function: Function, argnums: int | Sequence[int], method: Any) -> Function:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        with enable_grad():
            variables = _Variables(_chosen(args, chosen), "an argument of a Jacobian")
            result = function(*_replaced(args, chosen, variables.tree))
            outputs, out_structure = _nodes(result)
            rows = [method(output, variables.nodes) for output in outputs]
        variables.settle([node for row in rows for node in row])
        trees = [_tree(variables.structure, row) for row in rows]
        if isinstance(argnums, int):
            trees = [row[0] for row in trees]
        return tree.unflatten(out_structure, trees)

    return wrapped


def _rows(output: Node, variables: list[Node]) -> list[Node]:
    basis = _basis(output)
    seed = _stand_in(output.aval)
    pulled = _or_zeros(gradients([output], [seed], variables), variables)
    mapped = batch(pulled, [seed], [basis], output_size(output))
    return [
        reshape(node, shape=(*output.shape, *x.shape))
        for node, x in zip(mapped, variables, strict=True)
    ]


def output_size(output: Node) -> int:
    """The number of elements of a node of known shape."""
    return int(product(output.shape))


def _columns(output: Node, variables: list[Node]) -> list[Node]:
    columns = []
    for x in variables:
        seed = _stand_in(x.aval)
        (pushed,) = _or_zeros(pushforward([output], [x], [seed]), [output])
        (mapped,) = batch([pushed], [seed], [_basis(x)], output_size(x))
        axes = (*range(1, output.ndim + 1), 0)
        columns.append(reshape(permute(mapped, axes=axes), shape=(*output.shape, *x.shape)))
    return columns


def hessian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns the second derivatives of `function` (forward over reverse).

    >>> import tinygraph as tg
    >>> tg.hessian(lambda x: (x**3).sum())(tg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(function, argnums), argnums)


def vmap(function: Function, in_axes: Any = 0, out_axes: int = 0) -> Function:
    """A function that maps `function` over a dimension of its arguments, all at once.

    in_axes: which dimension of each argument is mapped; an integer for all, or a tuple with one
    entry an argument; None leaves an argument as it is. out_axes: where the mapped dimension
    stands in the results.

    Raises ShapeError where the mapped sizes differ or nothing is mapped.

    >>> import tinygraph as tg
    >>> tg.vmap(lambda x, y: (x * y).sum(), (0, None))(tg.ones((3, 2)), tg.tensor([1.0, 2.0]))
    tensor([3., 3., 3.])
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
        mapped, stand_ins, parts = [], [], []
        for argument, axis in zip(args, axes, strict=True):
            nodes, structure = _nodes(argument)
            if axis is not None:
                nodes = [_to_front(node, axis) for node in nodes]
                mapped += nodes
                inner = [_one(node) for node in nodes]
                stand_ins += inner
                nodes = inner
            parts.append((structure, nodes))
        size = _mapped_size(mapped)
        example = _stand_in(Aval((), uint64))
        with refused("vmap"), counted(example):
            outputs, structure = _nodes(function(*[_tree(*part) for part in parts]))
        numbers = iota(size=size, dtype=uint64)
        results = batch(outputs, [*stand_ins, example], [*mapped, numbers], size)
        return _tree(structure, [_from_front(node, out_axes) for node in results])

    return wrapped


def _to_front(node: Node, axis: int) -> Node:
    if not -node.ndim <= axis < node.ndim:
        raise ShapeError(f"vmap: axis {axis} is out of range for shape {show_shape(node.shape)}")
    axis %= node.ndim
    rest = [a for a in range(node.ndim) if a != axis]
    return node if axis == 0 else permute(node, axes=(axis, *rest))


def _from_front(node: Node, axis: int) -> Node:
    order = list(range(1, node.ndim))
    order.insert(axis % node.ndim, 0)
    return permute(node, axes=tuple(order))


def _one(node: Node) -> Node:
    """A stand-in for one element of the mapped dimension; `batch` puts the whole in its place."""
    return _stand_in(Aval(node.shape[1:], node.dtype), node.grad)


def _stand_in(aval: Aval, grad: bool = True) -> Node:
    """A leaf without a value, so that what is built on it stays a graph in eager mode too."""
    return Node(PLACEHOLDER, (), {"name": "mapped"}, aval, None, grad and is_float(aval.dtype))


def _mapped_size(mapped: Sequence[Node]) -> Any:
    if not mapped:
        raise ShapeError("vmap: no argument is mapped; every in_axes is None")
    sizes = [node.shape[0] for node in mapped]
    for size in sizes:
        if size != sizes[0]:
            raise ShapeError(f"vmap: the mapped sizes differ: {sizes[0]} and {size}")
    return sizes[0]


def stop_gradient(x: Any) -> Any:
    """The same values (a Tensor or a pytree of them), through which no gradient passes."""
    nodes, structure = _nodes(x)
    return _tree(structure, [stop_gradient_op(node) for node in nodes])
