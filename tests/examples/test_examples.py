"""Each example runs as a user runs it, prints what it promises, and leaves its pictures."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinygraph import config

EXAMPLES = Path(__file__).parents[2] / "examples"
# Tests run side by side: matrix products that wait for each other's threads take ten times as long.
ALONE = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PNG = b"\x89PNG\r\n\x1a\n"


def run(name, *arguments, folder, status=0, **variables):
    """The output of an example that is run in `folder` (and its errors, if those are expected)."""
    environment = {**os.environ, **ALONE, "PYTHONWARNINGS": "error", **variables}
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr if status else done.stdout


def assert_pictures(folder, *names):
    for name in names:
        assert (folder / name).read_bytes().startswith(PNG), name


def percentage(pattern, text):
    """The number before the % behind `pattern`, the last time it comes."""
    return float(re.findall(rf"{pattern} (\d+\.\d+)%", text)[-1])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_says_how_to_run_it(path, tmp_path):
    assert f"python examples/{path.name}" in ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert "--seed" in run(path.stem, "--help", folder=tmp_path)


def test_digits_learns_the_digits(tmp_path):
    text = run("digits", folder=tmp_path)
    assert percentage("test accuracy", text) > 97
    assert_pictures(tmp_path / "out", "digits_curve.png", "digits_graph.png")


def test_digits_takes_options(tmp_path):
    options = ("--backend", "numpy", "--epochs", 2, "--batch-size", 100, "--lr", 0.01)
    text = run("digits", *options, "--seed", 3, "--out", tmp_path / "x" / "y", folder=tmp_path)
    lines = re.findall(r"epoch +\d+  loss \d\.\d{4}  accuracy \d+\.\d\d%  \d+\.\d\d s", text)
    assert len(lines) == 2
    assert_pictures(tmp_path / "x" / "y", "digits_curve.png", "digits_graph.png")


def test_digits_gives_the_same_again(tmp_path):
    def losses(seed):
        text = run("digits", "--epochs", 1, "--seed", seed, folder=tmp_path)
        return re.findall(r"loss \d\.\d{4}", text)

    assert losses(1) == losses(1) != losses(2)


def test_digits_refuses_an_unknown_backend(tmp_path):
    text = run("digits", "--backend", "abacus", folder=tmp_path, status=2)
    assert "error: there is no backend 'abacus'" in text
    assert "numpy" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("digits", "--epochs", 0), ("digits", "--batch-size", 0), ("digits", "--out", "a-file"),
        ("fashion_mnist", "--limit", -5), ("xor", "--seed", -1), ("xor", "--hidden", 0),
        ("logistic_regression", "--lr", -1), ("logistic_regression", "--backend", "abacus"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_an_error_and_no_traceback(name, option, value, tmp_path):
    (tmp_path / "a-file").touch()
    text = run(name, option, value, folder=tmp_path, status=2)
    assert re.search(r"\berror: .+", text)
    assert str(value) in text
    assert "Traceback" not in text


def test_xor_needs_a_hidden_layer(tmp_path):
    text = run("xor", folder=tmp_path)
    assert re.search(r"linear model: loss 0\.25\d*, .* does not solve XOR", text)
    assert re.search(r"hidden layer: loss 0\.00\d+, .* solves XOR", text)
    assert text.count("a xor b") == 2
    for line in ("h = tanh(z)", "slope of the loss in w1", "the loss with that"):
        assert line in text


def test_logistic_regression_explains_itself(tmp_path):
    text = run("logistic_regression", folder=tmp_path)
    assert "depth without the sigmoid: 2" in text
    assert "depth with the sigmoid: 3" in text
    assert "multiply(%2, %0)" in text
    assert re.search(r"tape: \d+ instructions", text)
    assert percentage("test accuracy", text) > 95
    names = ("logistic_regression_graph.png", "logistic_regression_curve.png")
    assert_pictures(tmp_path / "out", *names)
    dot = tmp_path / "out" / "logistic_regression_graph.dot"
    assert dot.read_text(encoding="utf-8").startswith("digraph")


@pytest.mark.parametrize("where", ["no variable", "an empty folder", "an option"])
def test_fashion_mnist_says_what_is_missing(where, tmp_path):
    variable = str(tmp_path) if where == "an empty folder" else ""
    options = ("--data", tmp_path) if where == "an option" else ()
    text = run("fashion_mnist", *options, folder=tmp_path, status=2, TINYGRAPH_DATA=variable)
    assert "train-images-idx3-ubyte.gz" in text
    assert "TINYGRAPH_DATA" in text
    assert "github.com/zalandoresearch/fashion-mnist" in text
    assert "Traceback" not in text


def test_fashion_mnist_learns_from_the_real_files(tmp_path):
    if config.get("DATA") is None:
        pytest.skip("TINYGRAPH_DATA, which says where the files of Fashion-MNIST are, is not set")
    text = run("fashion_mnist", "--epochs", 1, "--limit", 6000, folder=tmp_path)
    assert percentage("test accuracy", text) > 70
    assert_pictures(tmp_path / "out", "fashion_mnist_curve.png")
    assert (tmp_path / "out" / "lenet5.safetensors").stat().st_size > 200_000
