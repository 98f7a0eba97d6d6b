"""grad, vjp, jvp, Jacobians, vmap and the rest, as functions of functions."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.graph import topological
from tinygraph.testing import check_grads

f8 = "float64"


def t(*values):
    return tg.tensor(values, dtype=f8)


def cubic(x):
    return tg.sum(x**3)


def test_grad_and_higher_orders():
    x = t(1.0, 2.0, -3.0)
    np.testing.assert_allclose(tg.grad(cubic)(x).numpy(), 3 * x.numpy() ** 2)

    def f(s):
        return s**4

    one = tg.tensor(1.5, dtype=f8)
    slopes = [4 * 1.5**3, 12 * 1.5**2, 24 * 1.5, 24.0, 0.0]
    for slope in slopes:
        f = tg.grad(f)
        assert float(f(one)) == pytest.approx(slope)


def test_value_and_grad_with_pytrees_and_aux():
    def loss(params, x):
        y = x * params["w"] + params["b"][0]
        return tg.sum(y * y), {"y": y}

    params = {"w": t(1.0, 2.0), "b": [tg.tensor(0.5, dtype=f8)]}
    (value, aux), grads = tg.value_and_grad(loss, has_aux=True)(params, t(3.0, 4.0))
    y = np.array([3.5, 8.5])
    assert float(value) == pytest.approx((y**2).sum())
    np.testing.assert_allclose(aux["y"].numpy(), y)
    np.testing.assert_allclose(grads["w"].numpy(), 2 * y * [3.0, 4.0])
    assert float(grads["b"][0]) == pytest.approx(2 * y.sum())


def test_results_require_a_gradient_only_where_the_arguments_do():
    free, owned = t(1.0, 2.0), tg.tensor([1.0, 2.0], dtype=f8, requires_grad=True)
    for argument, expected in ((free, False), (owned, True)):
        value, slope = tg.value_and_grad(cubic)(argument)
        out, pull = tg.vjp(lambda x: x * x, argument)
        pairs = [value, slope, out, pull(t(1.0, 1.0))[0], tg.hessian(cubic)(argument),
                 *tg.jvp(lambda x: x * x, (argument,), (t(1.0, 1.0),))]  # fmt: skip
        assert [x.requires_grad for x in pairs] == [expected] * len(pairs)
    tg.sum(tg.grad(cubic)(owned)).backward()
    assert owned.grad.tolist() == [6.0, 12.0]


def test_pulling_back_twice_and_through():
    x = t(1.0, 2.0)
    _, pull = tg.vjp(lambda x: x**3, x)
    assert pull(t(1.0, 1.0))[0].tolist() == [3.0, 12.0]
    assert pull(t(2.0, 0.0))[0].tolist() == [6.0, 0.0]
    again = tg.grad(lambda x: tg.sum(tg.vjp(lambda y: y**3, x)[1](t(1.0, 1.0))[0]))
    assert again(x).tolist() == [6.0, 12.0]


@pytest.mark.parametrize("eager", [False, True])
def test_a_functional_training_loop_keeps_no_history(eager):
    def nodes_behind(w):
        w.realize()
        return len(topological([w.node]))

    w = t(1.0, 2.0)
    with tg.eager() if eager else tg.lazy():
        for _ in range(3):
            w = w - 0.1 * tg.grad(cubic)(w)
            assert nodes_behind(w) == 1


def test_several_arguments():
    def f(x, y):
        return tg.sum(x * y)

    gx, gy = tg.grad(f, argnums=(0, 1))(t(1.0, 2.0), t(3.0, 4.0))
    assert gx.tolist() == [3.0, 4.0]
    assert gy.tolist() == [1.0, 2.0]
    assert tg.grad(f, argnums=1)(t(1.0, 2.0), t(3.0, 4.0)).tolist() == [1.0, 2.0]


def test_nested_gradients_are_not_confused():
    # d/dx [x * d/dy (x y)] = d/dx [x * x] = 2x
    def f(x):
        return x * tg.grad(lambda y: x * y)(tg.tensor(1.0, dtype=f8))

    assert float(tg.grad(f)(tg.tensor(3.0, dtype=f8))) == 6.0


def test_what_an_argument_does_not_reach_has_zero_gradient():
    assert tg.grad(lambda x, y: tg.sum(y), argnums=0)(t(1.0, 2.0), t(3.0)).tolist() == [0.0, 0.0]


def test_errors_of_grad():
    with pytest.raises(tg.errors.DTypeError, match="int64; gradients exist for floats only"):
        tg.grad(cubic)(tg.tensor([1, 2]))
    with pytest.raises(tg.errors.ShapeError, match=r"one number, got shape \(2,\)"):
        tg.grad(lambda x: x * 2)(t(1.0, 2.0))
    with pytest.raises(tg.errors.ShapeError, match=r"got float, which is no Tensor: float\(\)"):
        tg.grad(lambda x: float(tg.sum(x)) * 2)(t(1.0, 2.0))
    with pytest.raises(tg.errors.GraphError, match="argnums has 1"):
        tg.grad(cubic, argnums=1)(t(1.0))


def test_vjp_and_jvp_are_adjoint():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 4))

    def f(x):
        return tg.sin(tg.matmul(a, x)), tg.sum(x * x)

    x, v = rng.standard_normal(4), rng.standard_normal(4)
    c0, c1 = rng.standard_normal(3), rng.standard_normal()
    (y0, y1), (d0, d1) = tg.jvp(f, (x,), (v,))
    value, pull = tg.vjp(f, x)
    (g,) = pull((tg.tensor(c0), tg.tensor(c1, dtype=f8)))
    np.testing.assert_allclose(value[0].numpy(), y0.numpy())
    np.testing.assert_allclose(float(y1), (x**2).sum())
    np.testing.assert_allclose(g.numpy() @ v, d0.numpy() @ c0 + float(d1) * c1)
    with pytest.raises(tg.errors.ShapeError, match=r"a tangent has shape \(3,\), expected \(4,\)"):
        tg.jvp(f, (x,), (c0,))


def test_jacobians_agree():
    a = np.random.default_rng(0).standard_normal((3, 2))

    def f(x):
        return tg.tanh(tg.matmul(a, x))

    x = np.array([0.3, -0.4])
    exact = (1 - np.tanh(a @ x) ** 2)[:, None] * a
    np.testing.assert_allclose(tg.jacrev(f)(x).numpy(), exact)
    np.testing.assert_allclose(tg.jacfwd(f)(x).numpy(), exact)
    np.testing.assert_allclose(tg.jacobian(f)(x).numpy(), exact)


def test_jacobian_shapes_and_pytrees():
    def f(x, y):
        return {"a": tg.sum(x, axis=0), "b": y * 2}

    jac = tg.jacrev(f, argnums=(0, 1))(np.ones((2, 3)), np.ones(4))
    assert [j.shape for j in jac["a"]] == [(3, 2, 3), (3, 4)]
    assert [j.shape for j in jac["b"]] == [(4, 2, 3), (4, 4)]
    np.testing.assert_array_equal(jac["b"][1].numpy(), 2 * np.eye(4))
    assert not jac["a"][1].numpy().any()


def test_hessian():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def f(x):
        return tg.sum(x * tg.matmul(a, x)) / 2 + tg.sum(x**3)

    x = np.array([1.0, -2.0])
    np.testing.assert_allclose(tg.hessian(f)(x).numpy(), a + np.diag(6 * x))


@pytest.mark.parametrize("eager", [False, True])
def test_vmap(eager):
    rng = np.random.default_rng(0)
    xs, w = rng.standard_normal((5, 3)), rng.standard_normal((3, 2))

    def f(x, w):
        return {"y": tg.tanh(tg.matmul(x, w)), "n": tg.sum(x)}

    with tg.eager() if eager else tg.lazy():
        out = tg.vmap(f, (0, None))(xs, w)
        np.testing.assert_allclose(out["y"].numpy(), np.tanh(xs @ w))
        np.testing.assert_allclose(out["n"].numpy(), xs.sum(1))
        turned = tg.vmap(lambda x: x * 2, 1, 1)(xs)
        np.testing.assert_allclose(turned.numpy(), xs * 2)


def test_vmap_of_grad_gives_gradients_of_each_sample():
    rng = np.random.default_rng(0)
    xs, w = rng.standard_normal((5, 3)), rng.standard_normal(3)

    def loss(w, x):
        return tg.sum(w * x) ** 2

    grads = tg.vmap(tg.grad(loss), (None, 0))(w, xs)
    np.testing.assert_allclose(grads.numpy(), 2 * (xs @ w)[:, None] * xs)
    whole = tg.grad(lambda w: tg.mean(tg.vmap(loss, (None, 0))(w, xs)))(w)
    np.testing.assert_allclose(whole.numpy(), grads.numpy().mean(0))


def test_vmap_nests():
    x, y = np.arange(3.0), np.arange(4.0)
    table = tg.vmap(tg.vmap(lambda a, b: a * b, (None, 0)), (0, None))(x, y)
    np.testing.assert_array_equal(table.numpy(), np.outer(x, y))


def test_errors_of_vmap():
    with pytest.raises(tg.errors.ShapeError, match="sizes differ: 2 and 3"):
        tg.vmap(lambda a, b: a)(np.ones(2), np.ones(3))
    with pytest.raises(tg.errors.ShapeError, match="no argument is mapped"):
        tg.vmap(lambda a: a, (None,))(np.ones(2))
    with pytest.raises(tg.errors.ShapeError, match=r"axis 1 is out of range for shape \(2,\)"):
        tg.vmap(lambda a: a, 1)(np.ones(2))


def test_stop_gradient():
    slope = tg.grad(lambda x: tg.sum(x * tg.stop_gradient(x)))(t(2.0, 3.0))
    assert slope.tolist() == [2.0, 3.0]


def test_custom_vjp():
    @tg.custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda x, y: (x * y, {"x": x}), lambda kept, g: (g * 100, g * kept["x"]))
    gx, gy = tg.grad(lambda x, y: tg.sum(f(x, y)), (0, 1))(t(2.0), t(3.0))
    assert (gx.tolist(), gy.tolist()) == ([100.0], [2.0])

    @tg.custom_vjp
    def unfinished(x):
        return x

    with pytest.raises(tg.errors.GraphError, match=r"call unfinished\.defvjp"):
        unfinished(t(1.0))


def test_checkpoint_gives_the_same_gradients_in_less_memory():
    def block(x):
        for _ in range(6):
            x = tg.sin(x)
        return x

    def net(wrap):
        def f(x):
            for _ in range(6):
                x = wrap(block)(x)
            return tg.sum(x)

        return f

    x = tg.placeholder((10000,), "float64", name="x")
    peaks, grads = [], []
    value = np.linspace(0.1, 1.0, 10000)
    for wrap in (lambda f: f, tg.checkpoint):
        f = tg.function([x], tg.grad(net(wrap))(x))
        grads.append(f(value).numpy())
        peaks.append(f.tape().memory.peak)
    np.testing.assert_allclose(grads[1], grads[0])
    assert peaks[1] < 0.5 * peaks[0]
    check_grads(net(tg.checkpoint), [value[:3]], order=2)


def test_check_grads_catches_a_wrong_gradient():
    @tg.custom_vjp
    def wrong(x):
        return x * x

    wrong.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))
    check_grads(lambda x: x * x, [np.array([1.0, 2.0])], order=2)
    with pytest.raises(AssertionError, match="reverse mode against differences"):
        check_grads(wrong, [np.array([1.0, 2.0])], modes=("rev",))


def test_scan_and_its_gradient():
    def run(a, x0, us):
        def step(x, u):
            x = tg.tanh(a * x + u)
            return x, x * 2

        last, ys = tg.scan(step, x0, us)
        return tg.sum(last) + tg.sum(ys)

    args = [np.array([0.5, -0.3]), np.array([0.1, 0.2]), np.ones((4, 2)) * 0.3]
    check_grads(run, args, order=2)

    def unrolled(a, x, us):
        total = 0.0
        for u in us:
            x = np.tanh(a * x + u)
            total += (x * 2).sum()
        return total + x.sum()

    assert float(run(*map(tg.tensor, args))) == pytest.approx(unrolled(*args))


def test_no_gradient_runs_through_integers():
    """What is truncated moves by steps, of slope 0."""

    def steps(x):
        return tg.sum(tg.astype(tg.max(tg.astype(x, tg.int64)), x.dtype) * x)

    x = t(1.5, 2.5)
    assert tg.grad(steps)(x).tolist() == [2.0, 2.0]
    assert float(tg.jvp(steps, (x,), (t(1.0, 0.0),))[1]) == 2.0


def test_cond_and_while_loop():
    def f(x):
        return tg.cond(tg.sum(x) > 0, lambda x: x * x, lambda x: -x, x)

    assert f(t(1.0, 2.0)).tolist() == [1.0, 4.0]
    assert f(t(-1.0, -2.0)).tolist() == [1.0, 2.0]
    check_grads(lambda x: tg.sum(f(x)), [np.array([1.0, 2.0])], order=2)
    count, value = tg.while_loop(
        lambda c: c[1] < 100.0, lambda c: (c[0] + 1, c[1] * 3), (tg.tensor(0), tg.tensor(2.0))
    )
    assert (int(count), float(value)) == (4, 162.0)
    with pytest.raises(tg.errors.GraphError, match="scan"):
        tg.grad(lambda x: tg.while_loop(lambda v: v < 100.0, lambda v: v * 3, x))(tg.tensor(2.0))


def test_errors_of_scan():
    with pytest.raises(tg.errors.ShapeError, match="returns a pair"):
        tg.scan(lambda c, x: c, tg.tensor(0.0), tg.ones(3))
    with pytest.raises(tg.errors.ShapeError, match="different lengths, 3 and 2"):
        tg.scan(lambda c, x: (c, c), tg.tensor(0.0), (tg.ones(3), tg.ones(2)))
    with pytest.raises(tg.errors.ShapeError, match="the new carry has structure"):
        tg.scan(lambda c, x: ((c, c), c), tg.tensor(0.0), tg.ones(3))
    with pytest.raises(tg.errors.ShapeError, match="length"):
        tg.scan(lambda c, x: (c, c), tg.tensor(0.0))
