"""The optimizers' rules as their papers have them, each in a few lines of NumPy.

A rule takes the weights, the gradient, what is kept (a dictionary, empty at first), the number
of the step from 1, and the options; it returns the new weights.
"""

import inspect

import numpy as np

from tinygraph import optim

# The optimizers that are rules of their own: not the base, nor what wraps another one.
RULES = [
    kind for kind in dict.fromkeys(map(vars(optim).get, optim.__all__))
    if isinstance(kind, type) and issubclass(kind, optim.Optimizer)
    and "lr" in inspect.signature(kind).parameters
]  # fmt: skip


def walk(rule, w, slope, steps, maximize=False, rates=None, **options):
    """The weights after `steps` steps of `rule` with the gradient `slope(weights)`.

    rates: the learning rate of each step.
    """
    kept = {}
    for t in range(1, steps + 1):
        g = -slope(w) if maximize else slope(w)
        if rates is not None:
            options["lr"] = rates[t - 1]
        w = rule(w, g, kept, t, **options)
    return w


def sgd(w, g, s, t, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    g = g + weight_decay * w
    if momentum:
        s["v"] = g if t == 1 else momentum * s["v"] + (1 - dampening) * g
        g = g + momentum * s["v"] if nesterov else s["v"]
    return w - lr * g


def momentum(w, g, s, t, lr=1e-2, momentum=0.9, nesterov=False, weight_decay=0.0, ewma=False):
    g = g + weight_decay * w
    part = (1 - momentum) * g if ewma else lr * g
    s["v"] = momentum * s.get("v", 0) + part
    move = momentum * s["v"] + part if nesterov else s["v"]
    return w - (lr * move if ewma else move)


def sign_sgd(w, g, s, t, lr=1e-3, momentum=0.0, weight_decay=0.0):
    s["m"] = momentum * s.get("m", 0) + (1 - momentum) * (g + weight_decay * w)
    return w - lr * np.sign(s["m"])


def lion(w, g, s, t, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    c = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["m"] = betas[1] * s.get("m", 0) + (1 - betas[1]) * g
    return w - lr * (np.sign(c) + weight_decay * w)


def moments(s, g, t, betas):
    """Adam's two means, corrected."""
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    return s["m"] / (1 - betas[0] ** t), s["v"] / (1 - betas[1] ** t)


def adam(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False,
         decoupled_weight_decay=False):  # fmt: skip
    if decoupled_weight_decay:
        w = w - lr * weight_decay * w
    else:
        g = g + weight_decay * w
    m, v = moments(s, g, t, betas)
    if amsgrad:
        s["most"] = np.maximum(s.get("most", 0), s["v"])
        v = s["most"] / (1 - betas[1] ** t)
    return w - lr * m / (np.sqrt(v) + eps)


def amsgrad(w, g, s, t, **options):
    return adam(w, g, s, t, amsgrad=True, **options)


def adamw(w, g, s, t, weight_decay=1e-2, **options):
    return adam(w, g, s, t, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def adamax(w, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return w - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def nadam(w, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
          momentum_decay=4e-3, decoupled_weight_decay=False):  # fmt: skip
    if decoupled_weight_decay:
        w = w - lr * weight_decay * w
    else:
        g = g + weight_decay * w
    now, ahead = (betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s["mu"] = s.get("mu", 1.0) * now
    _, v = moments(s, g, t, betas)
    m = (1 - now) / (1 - s["mu"]) * g + ahead / (1 - s["mu"] * ahead) * s["m"]
    return w - lr * m / (np.sqrt(v) + eps)


def nadamw(w, g, s, t, weight_decay=1e-2, **options):
    return nadam(w, g, s, t, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def radam(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m, _ = moments(s, g + weight_decay * w, t, betas)
    most = 2 / (1 - betas[1]) - 1
    k = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if k <= 5:
        return w - lr * m
    r = np.sqrt((k - 4) * (k - 2) * most / ((most - 4) * (most - 2) * k))
    root = (np.sqrt(s["v"]) + eps) / np.sqrt(1 - betas[1] ** t)
    return w - lr * r * m / root


def adabelief(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-16, weight_decay=0.0):
    w = w - lr * weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["s"] = betas[1] * s.get("s", 0) + (1 - betas[1]) * (g - s["m"]) ** 2 + eps
    m, v = s["m"] / (1 - betas[0] ** t), s["s"] / (1 - betas[1] ** t)
    return w - lr * m / (np.sqrt(v) + eps)


def yogi(w, g, s, t, lr=1e-2, betas=(0.9, 0.999), eps=1e-3, weight_decay=0.0, start=1e-6):
    g = g + weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    v = s.get("v", start)
    s["v"] = v - (1 - betas[1]) * np.sign(v - g * g) * g * g
    root = np.sqrt(s["v"] / (1 - betas[1] ** t))
    return w - lr * s["m"] / (1 - betas[0] ** t) / (root + eps)


def adan(w, g, s, t, lr=1e-3, betas=(0.98, 0.92, 0.99), eps=1e-8, weight_decay=0.0,
         no_prox=False):  # fmt: skip
    c = g - s.get("g", g)
    s["g"] = g
    new = {"m": g, "d": c, "n": (g + betas[1] * c) ** 2}
    for (name, value), beta in zip(new.items(), betas, strict=True):
        s[name] = beta * s.get(name, 0) + (1 - beta) * value
    m, d, n = (s[name] / (1 - beta**t) for name, beta in zip(new, betas, strict=True))
    move = lr * (m + betas[1] * d) / (np.sqrt(n) + eps)
    shrink = 1 - lr * weight_decay
    return shrink * w - move if no_prox else (w - move) / (1 + lr * weight_decay)


def adagrad(w, g, s, t, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10, start=0.0):
    g = g + weight_decay * w
    s["sum"] = s.get("sum", start) + g * g
    return w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adadelta(w, g, s, t, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    g = g + weight_decay * w
    s["G"] = rho * s.get("G", 0) + (1 - rho) * g * g
    d = np.sqrt(s.get("D", 0) + eps) / np.sqrt(s["G"] + eps) * g
    s["D"] = rho * s.get("D", 0) + (1 - rho) * d * d
    return w - lr * d


def rmsprop(w, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
            centered=False):  # fmt: skip
    g = g + weight_decay * w
    s["V"] = alpha * s.get("V", 0) + (1 - alpha) * g * g
    s["a"] = alpha * s.get("a", 0) + (1 - alpha) * g
    root = np.sqrt(s["V"] - s["a"] ** 2) if centered else np.sqrt(s["V"])
    s["v"] = momentum * s.get("v", 0) + g / (root + eps)
    return w - lr * s["v"]


def rprop(w, g, s, t, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    same = np.sign(g * s.get("g", 0))
    factor = np.choose(same.astype(int) + 1, [etas[0], 1.0, etas[1]])
    s["size"] = np.clip(s.get("size", lr) * factor, *step_sizes)
    s["g"] = np.where(same < 0, 0, g)
    return w - s["size"] * np.sign(s["g"])


def asgd(w, g, s, t, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    eta = s.get("eta", lr)
    s["eta"] = lr / (1 + lambd * lr * t) ** alpha
    return (1 - lambd * eta) * w - eta * (g + weight_decay * w)


def ratio(above, below):
    """above / below, or 1 where one of them is 0."""
    return above / below if above > 0 and below > 0 else 1.0


def lars(w, g, s, t, lr=1e-2, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3, eps=0.0,
         nesterov=False):  # fmt: skip
    size, slope = np.linalg.norm(w), np.linalg.norm(g)
    trust = 1.0
    if trust_coefficient and size > 0 and slope > 0:
        trust = trust_coefficient * size / (slope + weight_decay * size + eps)
    part = lr * trust * (g + weight_decay * w)
    s["v"] = momentum * s.get("v", 0) + part
    return w - (momentum * s["v"] + part if nesterov else s["v"])


def lamb(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0,
         bias_correction=True):  # fmt: skip
    m, v = moments(s, g, t, betas)
    if not bias_correction:
        m, v = s["m"], s["v"]
    u = m / (np.sqrt(v) + eps) + weight_decay * w
    return w - lr * ratio(np.linalg.norm(w), np.linalg.norm(u)) * u


def novograd(w, g, s, t, lr=1e-3, betas=(0.95, 0.98), eps=1e-8, weight_decay=0.0,
             grad_averaging=False):  # fmt: skip
    now = (g * g).sum()
    s["v"] = now if t == 1 else betas[1] * s["v"] + (1 - betas[1]) * now
    u = g / (np.sqrt(s["v"]) + eps) + weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0] if grad_averaging else 1) * u
    return w - lr * s["m"]


def adafactor(w, g, s, t, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0,
              beta1=0.0, scale_parameter=True, relative_step=True,
              eps_on_square=False):  # fmt: skip
    eps1 = np.finfo(float).eps if eps[0] is None else eps[0]
    rms = lambda x: np.sqrt((x * x).mean())
    share = t**beta2_decay
    square = g * g + (eps1 if eps_on_square else 0)
    eps1 = 0 if eps_on_square else eps1
    axes = {"R": -1, "C": -2} if w.ndim > 1 else {"V": None}
    for name, axis in axes.items():
        new = square if axis is None else square.mean(axis, keepdims=True)
        s[name] = s.get(name, 0) * (1 - share) + share * new
    means = s.get("V")
    if means is None:
        means = s["R"] * s["C"] / np.maximum(s["R"].mean(-2, keepdims=True), eps1)
    u = g / np.maximum(np.sqrt(means), eps1)
    u = u / max(1, rms(u) / d)
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * u
    rate = min(lr, 1 / np.sqrt(t)) if relative_step else lr
    scale = max(eps[1], rms(w)) if scale_parameter else 1.0
    return w - lr * weight_decay * w - rate * scale * s["m"]


def sm3(w, g, s, t, lr=1e-1, momentum=0.0, weight_decay=0.0):
    g = g + weight_decay * w
    axes = range(max(w.ndim, 1))
    total = g * g + np.minimum.reduce([s.get(r, 0) + 0 * g for r in axes])
    for r in axes:
        others = tuple(axis for axis in range(w.ndim) if axis != r)
        s[r] = total.max(others, keepdims=True) if others else total
    u = np.divide(g, np.sqrt(total), out=np.zeros_like(g), where=total > 0)
    s["m"] = momentum * s.get("m", 0) + (1 - momentum) * u
    return w - lr * s["m"]


def muon(w, g, s, t, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, eps=1e-7,
         ns_coefficients=(3.4445, -4.7750, 2.0315), ns_steps=5, adjust_lr_fn=None):  # fmt: skip
    s["m"] = momentum * s.get("m", 0) + (1 - momentum) * g
    u = momentum * s["m"] + (1 - momentum) * g if nesterov else s["m"]
    left, sizes, right = np.linalg.svd(u, full_matrices=False)
    sizes = sizes / max(np.sqrt((sizes**2).sum()), eps)
    a, b, c = ns_coefficients
    for _ in range(ns_steps):
        sizes = a * sizes + b * sizes**3 + c * sizes**5  # it leaves the directions as they are
    scale = np.sqrt(max(1, w.shape[0] / w.shape[1]))
    if adjust_lr_fn == "match_rms_adamw":
        scale = 0.2 * np.sqrt(max(w.shape))
    return w - lr * weight_decay * w - lr * scale * (left * sizes) @ right


def schedule_free(w, g, s, t, lr=0.0025, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
                  warmup_steps=0, r=0.0, weight_lr_power=2.0):  # fmt: skip
    """w is kept as (1 - beta1) z + beta1 x, from which x is found again."""
    rate = lr * min(1, t / warmup_steps) if warmup_steps else lr
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    u = g / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps) + weight_decay * w
    s["top"] = max(s.get("top", 0), rate)
    weight = t**r * s["top"] ** weight_lr_power
    s["sum"] = s.get("sum", 0) + weight
    z, x = s.get("z", w), s.get("x", w)
    s["z"] = z - rate * u
    s["x"] = x + weight / s["sum"] * (s["z"] - x)
    return (1 - betas[0]) * s["z"] + betas[0] * s["x"]
