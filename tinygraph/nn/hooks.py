"""Hooks: functions that a module calls as it runs, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tinygraph import tree
from tinygraph.graph.node import Node
from tinygraph.ops.call import custom_vjp_nodes
from tinygraph.ops.rules import zeros_like
from tinygraph.tensor import Tensor

if TYPE_CHECKING:
    from tinygraph.nn.module import Module

Hook = Callable[..., Any]
Hooks = dict[int, tuple[str, Hook]]  # the moment at which each is called, and the hook
Gradients = tuple[Tensor | None, ...]


class HookHandle:
    """Undoes the registration of a hook."""

    def __init__(self, hooks: Hooks, key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Call the hook no more."""
        self._hooks.pop(self._key, None)


def enter(hooks: Hooks, moment: str, hook: Hook, prepend: bool) -> HookHandle:
    """Add `hook` as the last, or with `prepend` as the first, of `hooks`."""
    if not callable(hook):
        raise TypeError(f"expected a function as hook, got a {type(hook).__name__}")
    key = max(hooks, default=0) + 1
    others = dict(hooks)
    if prepend:
        hooks.clear()
    hooks[key] = (moment, hook)
    hooks.update(others)
    return HookHandle(hooks, key)


def of(module: Module, moment: str) -> list[Hook]:
    """The hooks of `module` that are called at `moment`."""
    return [hook for kind, hook in module._hooks.values() if kind == moment]


def before(module: Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments as the hooks leave them: what one returns, unless None, takes their place."""
    for hook in of(module, "before"):
        changed = hook(module, args)
        if changed is not None:
            args = changed if isinstance(changed, tuple) else (changed,)
    return args


def after(module: Module, args: tuple[Any, ...], result: Any) -> Any:
    """The result as the hooks leave it."""
    for hook in of(module, "after"):
        changed = hook(module, args, result)
        result = result if changed is None else changed
    return result


class BackwardCall:
    """One call of a module whose gradients are looked at on their way back.

    Arguments and result pass through an identity, whose gradient rule calls the hooks: first
    with the gradients of the result, then, when those of the arguments are known, with both.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._looks = bool(of(module, "gradient arrived") or of(module, "gradient left"))
        self._arrived: Gradients = ()
        self._watches_arguments = False
        self._count = 0

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, of which those that take part in gradients are watched."""
        leaves, form = tree.flatten(args)
        self._count = sum(isinstance(leaf, Tensor) for leaf in leaves)
        watched = self._watched(leaves, self._leave)
        self._watches_arguments = watched is not None
        return args if watched is None else tuple(tree.unflatten(form, watched))

    def result(self, result: Any) -> Any:
        """The result, watched likewise."""
        leaves, form = tree.flatten(result)
        watched = self._watched(leaves, self._arrive)
        return result if watched is None else tree.unflatten(form, watched)

    def _watched(
        self, leaves: Sequence[Any], on_gradient: Callable[[Gradients], Gradients]
    ) -> list[Any] | None:
        """`leaves` with those that take part in gradients passed through an identity that calls
        `on_gradient`; None if there are none."""
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        places = [i for i, tensor in enumerate(tensors) if tensor.node.grad]
        if not places or not self._looks:
            return None

        def backward(_: Sequence[Node], g: Sequence[Node]) -> list[Node | None]:
            gradients: list[Tensor | None] = [None] * len(tensors)
            for place, node in zip(places, g, strict=True):
                gradients[place] = Tensor(node)
            changed = on_gradient(tuple(gradients))
            return [_node(changed[place], tensors[place]) for place in places]

        passed = custom_vjp_nodes(
            lambda nodes: (nodes, []), backward, [tensors[place].node for place in places]
        )
        new = dict(zip(places, map(Tensor, passed), strict=True))
        order = iter(range(len(tensors)))
        return [new.get(next(order), leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]

    def _arrive(self, gradients: Gradients) -> Gradients:
        for hook in of(self.module, "gradient arrived"):
            gradients = _taken(hook(self.module, gradients), gradients)
        self._arrived = gradients
        if not self._watches_arguments:
            self._leave((None,) * self._count)
        return gradients

    def _leave(self, gradients: Gradients) -> Gradients:
        for hook in of(self.module, "gradient left"):
            gradients = _taken(hook(self.module, gradients, self._arrived), gradients)
        return gradients


def _taken(changed: Any, gradients: Gradients) -> Gradients:
    """What a hook returned instead of `gradients`, or these where it is None."""
    if changed is None:
        return gradients
    new = changed if isinstance(changed, tuple) else (changed,)
    if len(new) != len(gradients):
        raise ValueError(
            f"a backward hook returns None or {len(gradients)} gradients, got {len(new)}"
        )
    return new


def _node(gradient: Tensor | None, like: Tensor) -> Node:
    return zeros_like(like.node) if gradient is None else gradient.node
