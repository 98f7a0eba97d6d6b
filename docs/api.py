"""The reference pages of public functions and classes, made from their docstrings."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from prose import cell, first_sentence, markdown, plain

WIDTH = 88  # columns up to which a call stands on one line
PROMPT = (
    "Examples show what eager mode prints. In the default, lazy mode an expression at the prompt "
    "shows as *not evaluated* until it is printed: `print(x)`."
)


@dataclass
class Page:
    """A page on the public names of `module` that stand in the files `homes` (all, if empty).

    also: classes that users get but do not call, as "module:Class". undocumented: names without
    a docstring. An attribute or a short method counts as documented where the docstring of its
    class says `name: what it is`.
    """

    file: str
    title: str
    module: str
    prefix: str
    homes: tuple[str, ...] = ()
    intro: str = ""
    also: tuple[str, ...] = ()
    undocumented: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """The public names that the page is about."""
        module = importlib.import_module(self.module)
        return [name for name in public_names(module) if self._is_here(name, module)]

    def _is_here(self, name: str, module: ModuleType) -> bool:
        home = home_of(name, getattr(module, name))
        return not self.homes or any(home == h or home.startswith(h + ".") for h in self.homes)

    def text(self) -> str:
        """The page as Markdown."""
        module = importlib.import_module(self.module)
        intro = self.intro or markdown(self._doc(self.prefix, module))
        parts = [f"# {self.title}\n\n{intro}\n\n{PROMPT}\n"]
        groups = self._groups(module)
        values = groups.pop("", [])
        for home, names in groups.items():
            things = {name: getattr(module, name) for name in names}
            if len(groups) > 1:
                told = self._doc(home, importlib.import_module(home))
                parts.append(f"## {plain(first_sentence(told).rstrip('.'))}\n")
            parts.append(_index(things))
            parts += [self._entry(name, thing) for name, thing in things.items()]
        if self.also:
            parts.append("## What is handed out\n")
            parts += [self._also(*path.split(":")) for path in self.also]
        if values:
            parts.append("## Values\n\n| name | value |\n|---|---|")
            parts += [f"| `{self.prefix}.{n}` | `{getattr(module, n)!r}` |" for n in values]
        return "\n".join(parts) + "\n"

    def _groups(self, module: ModuleType) -> dict[str, list[str]]:
        """The names by the file they stand in, files in the order of their import; "" has what
        is neither function nor class."""
        places = list(vars(module))
        groups: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.names(), key=lambda n: places.index(n) if n in places else -1):
            groups[home_of(name, getattr(module, name))].append(name)
        return {home: sorted(names) for home, names in groups.items()}

    def _doc(self, name: str, thing: Any) -> str:
        found = inspect.getdoc(thing)
        if not found:
            self.undocumented.append(name)
        return found or name

    def _entry(self, name: str, thing: Any) -> str:
        full = f"{self.prefix}.{name}"
        parts = [f"### {plain(full)} {{ #{name} }}", _code(_call(full, thing))]
        parts.append(markdown(self._doc(full, thing), _arguments(thing)))
        if inspect.isclass(thing):
            parts += self._members(full, thing)
        return "\n\n".join(parts) + "\n"

    def _also(self, module: str, name: str) -> str:
        """An entry without a call, for a class that users get but do not make."""
        cls = getattr(importlib.import_module(module), name)
        parts = [f"### {name} {{ #{name} }}", markdown(self._doc(name, cls), _arguments(cls))]
        return "\n\n".join([*parts, *self._members(name, cls)]) + "\n"

    def _members(self, full: str, cls: type) -> Iterator[str]:
        """The public methods and properties that a class itself defines."""
        told = inspect.getdoc(cls) or ""
        same = []
        for name, member in vars(cls).items():
            if name.startswith("_") or not _is_member(member):
                continue
            if _is_inherited(cls, name) or re.search(rf"\b{name}: ", told):
                continue  # described where it is first defined, or with the class
            function = _function(member)
            if name in _functions_by_doc().get(function.__doc__, ()):
                same.append(f"`{name}`")
                continue
            doc = self._doc(f"{full}.{name}", member)
            yield f"#### {plain(name)} {{ #{cls.__name__}.{name} }}"
            if not isinstance(member, property):
                yield _code(_call(name, function))
            yield markdown(doc, _arguments(function))
        if same:
            yield "#### The functions of the same name { #methods }"
            yield f"`x.name(...)` is `tg.name(x, ...)` for {', '.join(sorted(same))}."


TENSORS = ("tinygraph.tensor",)
RUNNING = ("tinygraph.function", "tinygraph.jit", "tinygraph.runtime")
GRADIENTS = ("tinygraph.transforms", "tinygraph.control", "tinygraph.autodiff")
ARRAYS = ("tinygraph.array", "tinygraph.linalg")
RANDOM = ("tinygraph.random",)

ACTIVATIONS = ("activation", "piecewise", "gates", "probability")
CONVOLUTION = ("conv", "fold", "pad")
POOLING = (
    "pooling", "adaptive", "global_pooling", "fractional", "unpooling", "resize", "shuffle",
)  # fmt: skip
NORMALIZATION = ("norm", "dropout", "noise", "mix")


def files(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    """The modules of these names in tinygraph.nn.layers or .functional."""
    return tuple(f"tinygraph.nn.{folder}.{name}" for name in names)


def layers(subject: str, title: str, names: Iterable[str], intro: str, *homes: str) -> Page:
    """A page on some of the modules of `tg.nn`."""
    page = f"api-nn-{subject}" if subject else "api-nn"
    return Page(page, title, "tinygraph.nn", "tg.nn", (*homes, *files("layers", names)), intro)


def functions(subject: str, title: str, names: Iterable[str], *homes: str) -> Page:
    """A page on some of the functions of `tg.nn.functional`."""
    intro = f"Functions without a state. As modules: [`tg.nn`](api-nn-{subject}.md)."
    where = (*homes, *files("functional", names))
    return Page(f"api-functional-{subject}", title, "tinygraph.nn.functional",
                "tg.nn.functional", where, intro)  # fmt: skip


def whole(module: str, *also: str) -> Page:
    """The page on all of one module."""
    file = f"api-{module.replace('.', '-').replace('_', '-')}"
    return Page(file, f"`tg.{module}`", f"tinygraph.{module}", f"tg.{module}", also=also)


PAGES = (
    Page("api-tensor", "Tensors", "tinygraph", "tg", TENSORS,
         "The handle on a node of the graph, and what makes one."),
    Page("api-arrays", "Functions on arrays", "tinygraph", "tg", (*ARRAYS, ""),
         "Each takes Tensors, NumPy arrays and numbers, which broadcast. Names are those of the "
         "Python Array API standard; PyTorch's keywords (`dim`, `keepdim`, `input`) are accepted."),
    Page("api-random", "Random numbers", "tinygraph", "tg", RANDOM,
         markdown(inspect.getdoc(importlib.import_module("tinygraph.random")) or "")),
    Page("api-gradients", "Gradients and control flow", "tinygraph", "tg", GRADIENTS,
         "Transformations of functions, and loops and choices that stay in the graph."),
    Page("api-running", "Running", "tinygraph", "tg", RUNNING,
         "Compiled functions, modes and backends; see [when does it run](../when-does-it-run.md).",
         ("tinygraph.function:Function", "tinygraph.jit:Jitted", "tinygraph.compiler.tape:Tape",
          "tinygraph.compiler.cache:Cache")),
    whole("linalg"),
    whole("autograd"),
    layers("", "`tg.nn`: modules", ("linear", "container", "parameters", "combine"),
           "The base of all layers, linear layers, and what puts layers together; see "
           "[layers](../layers.md). All other layers: "
           "[activations](api-nn-activations.md), [convolution](api-nn-convolution.md), "
           "[pooling and resizing](api-nn-pooling.md), "
           "[normalization and dropout](api-nn-normalization.md), "
           "[recurrent networks](api-nn-recurrent.md), "
           "[embedding and attention](api-nn-attention.md), [losses](api-nn-losses.md). "
           "Every name on one page: [names](names.md).",
           "tinygraph.nn.module", "tinygraph.nn.parameter"),
    layers("activations", "`tg.nn`: activations", ACTIVATIONS,
           "Activations as modules; their curves are on the page on [activations]"
           "(../activations.md)."),
    layers("convolution", "`tg.nn`: convolution", CONVOLUTION,
           "Convolution as layers; see [layers](../layers.md)."),
    layers("pooling", "`tg.nn`: pooling and resizing", POOLING,
           "Layers that make images smaller or larger; see [layers](../layers.md)."),
    layers("normalization", "`tg.nn`: normalization and dropout",
           (*NORMALIZATION, "regularization"),
           "Layers that keep a signal's size, and that keep a network from learning by heart; see "
           "[layers](../layers.md)."),
    layers("recurrent", "`tg.nn`: recurrent networks",
           ("recurrent", "rnn", "lstm", "gru", "cells"),
           "Layers for sequences, one step after the other; see [layers](../layers.md). Packed "
           "sequences: [`tg.nn.utils.rnn`](api-nn-utils-rnn.md)."),
    layers("attention", "`tg.nn`: embedding and attention",
           ("embedding", "position", "attention", "feed_forward", "transformer"),
           "From tokens to vectors, and layers in which each position looks at others; see "
           "[layers](../layers.md)."),
    layers("losses", "`tg.nn`: losses",
           ("loss", "regression", "classification", "margin", "likelihood", "distance",
            "contrastive", "ctc", "overlap", "boxes", "variational"),
           "Losses as modules; their curves are on the page on [losses](../losses.md)."),
    functions("activations", "`tg.nn.functional`: activations", ACTIVATIONS),
    functions("convolution", "`tg.nn.functional`: linear maps and convolution",
              ("linear", *CONVOLUTION)),
    functions("pooling", "`tg.nn.functional`: pooling and resizing", POOLING),
    functions("normalization", "`tg.nn.functional`: normalization and dropout", NORMALIZATION),
    functions("attention", "`tg.nn.functional`: embedding and attention",
              ("embedding", "position", "attention", "masks", "multihead", "windowed",
               "efficient", "tiled"), "tinygraph.array"),
    functions("losses", "`tg.nn.functional`: losses",
              ("loss", "regression", "binary", "categorical", "classification", "focal", "hinge",
               "margin", "likelihood", "distance", "contrastive", "ctc", "overlap", "boxes",
               "variational")),
    whole("nn.utils"),
    whole("nn.utils.rnn"),
    whole("nn.utils.parametrize"),
    whole("nn.utils.parametrizations"),
    whole("nn.regularizers"),
    whole("nn.constraints"),
    whole("optim"),
    whole("optim.lr_scheduler"),
    whole("optim.swa_utils"),
    whole("amp"),
    whole("init"),
    whole("data"),
    whole("io"),
    whole("viz"),
    whole("debug"),
    whole("testing"),
    whole("config"),
    Page("api-graph", "`tinygraph.graph.analyse`", "tinygraph.graph.analyse", "analyse"),
)  # fmt: skip


def homeless() -> list[str]:
    """Public names of the modules that no page is about."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for page in PAGES:
        told[page.module, page.prefix].update(page.names())
    return [
        f"{prefix}.{name} (on no page)"
        for (module, prefix), names in told.items()
        for name in public_names(importlib.import_module(module))
        if name not in names
    ]


def public_names(module: ModuleType) -> list[str]:
    """What `__all__` lists, or else what the module itself defines; modules left out."""
    names = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if name[0] != "_" and getattr(thing, "__module__", None) == module.__name__
    ]
    return [n for n in names if n[:2] != "__" and not inspect.ismodule(getattr(module, n))]


def home_of(name: str, thing: Any) -> str:
    """The module in whose file a function or class stands; "" for other values."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return ""
    home = sys.modules.get(thing.__module__)
    if home is not None and (name in vars(home) or thing.__name__ in vars(home)):
        return thing.__module__
    for other in list(sys.modules.values()):  # made by a function of another file
        own = getattr(other, "__name__", "").startswith("tinygraph.")
        if own and not hasattr(other, "__path__") and vars(other).get(name) is thing:
            return other.__name__
    return str(thing.__module__)


@functools.cache
def _functions_by_doc() -> dict[str | None, list[str]]:
    """The names of the functions of the package, by their docstrings."""
    import tinygraph

    found: dict[str | None, list[str]] = defaultdict(list)
    for name in public_names(tinygraph):
        found[getattr(tinygraph, name).__doc__].append(name)
    found.pop(None, None)
    return found


def _index(things: dict[str, Any]) -> str:
    if len(things) < 3:
        return ""
    rows = ["| name | what it is |", "|---|---|"]
    for name, thing in things.items():
        told = cell(first_sentence(inspect.getdoc(thing) or ""))
        rows.append(f"| [`{name}`](#{name}) | {told} |")
    return "\n".join(rows) + "\n"


def _is_member(thing: Any) -> bool:
    return inspect.isfunction(thing) or isinstance(thing, (property, classmethod, staticmethod))


def _is_inherited(cls: type, name: str) -> bool:
    """Whether the docstring of a member is that of a base class."""
    if _function(vars(cls)[name]).__doc__:
        return False
    bases = [base for base in cls.__mro__[1:] if hasattr(base, name)]
    return any(getattr(base, name).__doc__ for base in bases)


def _function(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def _parameters(thing: Any) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return []
    return [_shown(p) for p in found if p.name not in ("self", "cls")]


class _Elided:
    """A default value that does not read well."""

    def __repr__(self) -> str:
        return "..."


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter without its annotation, and with a default that can be read."""
    long = " at 0x" in repr(parameter.default)
    default = _Elided() if long else parameter.default
    return parameter.replace(annotation=parameter.empty, default=default)


def _arguments(thing: Any) -> list[str]:
    """The names that a docstring may explain: of parameters, and of a class's attributes."""
    names = [parameter.name for parameter in _parameters(thing)]
    if inspect.isclass(thing):
        members = (*vars(thing), *getattr(thing, "__annotations__", {}))
        names += [name for name in members if not name.startswith("_")]
    return names


def _call(name: str, thing: Any) -> str:
    """How it is called, on several lines where one is too short."""
    line = f"{name}{inspect.Signature(_parameters(thing))}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in _parts(thing)), ")"])


def _parts(thing: Any) -> Iterator[str]:
    starred = False
    for parameter in _parameters(thing):
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        yield str(parameter)


def _code(text: str) -> str:
    return f"```python\n{text}\n```"
