"""The generated reference: nothing public is left out, and what lacks a docstring is named."""

import re
import sys
import types


def module_with(monkeypatch, **names):
    module = types.ModuleType("tinygraph_example", "An example.")
    for name, thing in names.items():
        thing.__module__ = module.__name__
        thing.__name__ = name
        setattr(module, name, thing)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def page_of(docs, monkeypatch, **names):
    return docs.api.Page("api-x", "`tg.x`", module_with(monkeypatch, **names), "tg.x")


def test_every_public_name_is_documented(docs):
    lacking = docs.api.homeless()
    for page in docs.api.PAGES:
        page.text()
        lacking += page.undocumented
    assert not lacking


def test_an_undocumented_name_fails_the_build(docs, monkeypatch, capsys, tmp_path):
    def told():
        """What it does."""

    def silent():
        pass

    page = page_of(docs, monkeypatch, told=told, silent=silent)
    monkeypatch.setattr(docs.api, "PAGES", (*docs.api.PAGES, page))
    monkeypatch.setattr(docs.generate, "FOLDER", tmp_path)
    assert docs.generate.main() == 1
    assert "tg.x.silent" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_undocumented_method_is_named_unless_the_class_explains_it(docs, monkeypatch):
    class Box:
        """A box. size: how large it is."""

        @property
        def size(self):
            return 1

        def close(self):
            pass

    page = page_of(docs, monkeypatch, Box=Box)
    page.text()
    assert page.undocumented == ["tg.x.Box.close"]


def test_a_docstring_becomes_markdown(docs, monkeypatch):
    def scaled(x, factor=2):
        """x times a factor_of[its own].

        factor: the number. Raises ShapeError for x < 0.

        >>> scaled(1)  # doctest: +SKIP
        2
        """

    text = page_of(docs, monkeypatch, scaled=scaled).text()
    assert "### tg.x.scaled { #scaled }" in text
    assert "tg.x.scaled(x, factor=2)" in text
    assert r"x times a factor\_of\[its own\]." in text
    assert "`factor`: the number. Raises ShapeError for x &lt; 0." in text
    assert "```pycon\n>>> scaled(1)\n2\n```" in text


def test_a_long_call_is_broken(docs, monkeypatch):
    def function(first_argument=1, second_argument="two", *, third_argument=None, fourth=4.0):
        """What it does."""

    text = page_of(docs, monkeypatch, a_function_with_a_long_name=function).text()
    assert "(\n    first_argument=1,\n    second_argument='two',\n    *,\n" in text


def test_first_sentence(docs):
    first = docs.prose.first_sentence
    assert first("x / 2, i.e. half. More.") == "x / 2, i.e. half."
    assert first("One line\nover two. And more.") == "One line over two."


def test_every_op_and_variable_has_an_entry(docs):
    from tinygraph import config
    from tinygraph.ops import REGISTRY

    ops, environment = docs.operations.page(), docs.generate.environment()
    assert all(f"{{ #{name} }}" in ops for name in REGISTRY)
    assert all(f"`TINYGRAPH_{name}`" in environment for name in config.VARIABLES)


def test_an_op_shows_what_it_refuses(docs):
    assert (
        "- Refuses `float64[2,3]`, `float64[2,2]`: ShapeError, shapes (2, 3) and (2, 2) do not"
        in docs.operations.page()
    )


def test_how_each_op_runs_natively(docs):
    """Python runs linear algebra and, of other operations, what has no elements."""
    from tinygraph.ops import REGISTRY

    row = re.compile(r"^\| \[.*\]\(ops.md#(\w+)\) \| (.*) \| (.*) \|$", re.MULTILINE)
    rows = {name: (how, but) for name, how, but in row.findall(docs.native.page())}
    assert rows.keys() == REGISTRY.keys()
    assert rows["exp"] == rows["random_bits"] == rows["permute"] == ("fused", "")
    assert rows["sort"] == rows["scan"] == ("own kernel", "")
    assert rows["sum"][0] == "fused"
    assert "`float64[0,2]`" in rows["sum"][1]
    by_numpy = {name for name, (how, _) in rows.items() if how == "NumPy"}
    assert by_numpy == {name for name, op in REGISTRY.items() if op.kind == "linalg"}
