"""The disk cache of kernels: whatever happens to it, kernels are right."""

import ctypes
import os
import stat
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from tinygraph import config
from tinygraph_numba import language
from tinygraph_numba.language import cache

KEY = "k" * 64
CODE = bytes(range(256)) * 3
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the cache."""
    monkeypatch.setattr(cache, "_warned", set())
    with config.override("CACHE", tmp_path / "kernels"):
        yield cache.folder()


def never():
    raise AssertionError("it is compiled again")


def entry(folder, key=KEY):
    return folder / (key + cache.SUFFIX)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_kept_is_found_again(folder):
    assert cache.read(KEY) is None
    assert cache.load_or_compile(KEY, lambda: CODE) == CODE
    assert cache.load_or_compile(KEY, never) == CODE
    assert files(folder) == [KEY + cache.SUFFIX]
    assert cache.read("other") is None


@posix
def test_only_the_owner_may_read_and_write(folder):
    cache.write(KEY, CODE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(folder).stat().st_mode) == 0o600


def _flip_a_bit(content):
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.mark.parametrize(
    "harm",
    [_flip_a_bit, lambda content: content[:-1], lambda content: content[:20], lambda content: b"",
     lambda content: content + b"x", lambda content: b"other" + content[5:],
     lambda content: bytes(len(content))],
    ids=["flipped", "short", "shorter", "empty", "long", "format", "zeros"],
)  # fmt: skip
def test_an_entry_that_is_not_whole_is_written_anew(harm, folder):
    cache.write(KEY, CODE)
    whole = entry(folder).read_bytes()
    entry(folder).write_bytes(harm(whole))
    assert cache.read(KEY) is None
    assert cache.load_or_compile(KEY, lambda: CODE) == CODE
    assert entry(folder).read_bytes() == whole


def test_an_entry_under_another_name_is_none(folder):
    cache.write(KEY, CODE)
    os.rename(entry(folder), entry(folder, "other"))
    assert cache.read("other") is None


def test_an_entry_that_is_a_folder_or_a_link(folder, tmp_path):
    entry(folder).mkdir()
    assert cache.load_or_compile(KEY, lambda: CODE) == CODE
    assert files(folder) == [KEY + cache.SUFFIX]  # nothing temporary is left
    cache.write("other", CODE)
    os.rename(entry(folder, "other"), tmp_path / "elsewhere")
    entry(folder, "other").symlink_to(tmp_path / "elsewhere")
    assert cache.read("other") is None


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(mode, folder):
    cache.write(KEY, CODE)
    folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match="kernels is not used .* others may write to it"):
        assert cache.read(KEY) is None
    with warnings.catch_warnings(record=True) as caught:  # not twice
        warnings.simplefilter("always")
        assert cache.load_or_compile("other", lambda: CODE) == CODE
    assert not caught
    assert files(folder) == [KEY + cache.SUFFIX]


@posix
def test_an_entry_that_others_may_write_to_is_not_used(folder):
    cache.write(KEY, CODE)
    entry(folder).chmod(0o620)
    with pytest.warns(RuntimeWarning, match="others may write to it"):
        assert cache.load_or_compile(KEY, lambda: CODE) == CODE
    assert cache.read(KEY) == CODE  # it was written anew


@posix
def test_a_folder_of_another_user_is_not_used(folder, monkeypatch):
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert cache.folder() is None
    assert cache.info() == (None, 0, 0)
    assert cache.clear() == (0, 0)


@posix
def test_a_folder_that_is_read_only(folder, monkeypatch):
    cache.write(KEY, CODE)
    folder.chmod(0o500)
    if IS_ROOT:  # may write in spite of the mode
        monkeypatch.setattr(cache, "_private", lambda path, flags: os.open("/", flags))
    assert cache.read(KEY) == CODE
    assert cache.load_or_compile("other", lambda: CODE) == CODE
    assert cache.read("other") is None
    folder.chmod(0o700)


def test_a_disk_that_is_full(folder, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert cache.load_or_compile(KEY, lambda: CODE) == CODE
    assert files(folder) == []


def test_a_folder_that_can_not_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_warned", set())
    (tmp_path / "file").write_text("no folder")
    with (
        config.override("CACHE", tmp_path / "file"),
        pytest.warns(RuntimeWarning, match="it can not be used"),
    ):
        assert cache.load_or_compile(KEY, lambda: CODE) == CODE


def test_a_default_folder_that_can_not_be_made_is_no_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.load_or_compile(KEY, lambda: CODE) == CODE


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/tinygraph/kernels"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/tinygraph/kernels"),
        ("darwin", {}, "/home/me/Library/Caches/tinygraph/kernels"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/tinygraph/kernels"),
    ],
)
def test_where_the_folder_is(platform, environment, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache.place().as_posix() == expected
    with config.override("CACHE", "~/mine"):
        assert cache.place().as_posix() == "/home/me/mine"


def test_what_a_killed_process_left_behind_is_deleted(folder, monkeypatch):
    monkeypatch.setattr(cache, "EVERY", 1)
    old, new = folder / ".a.1.x.tmp", folder / ".b.2.y.tmp"
    for path in (old, new):
        path.write_bytes(b"half an entry")
    os.utime(old, (0, 0))
    cache.write(KEY, CODE)
    assert files(folder) == [new.name, KEY + cache.SUFFIX]


def test_the_least_recently_used_go_first(folder, monkeypatch):
    size = len(CODE) + cache.HEADER
    monkeypatch.setattr(cache, "LIMIT", 8 * size)
    now = time.time()
    for number in range(10):
        cache.write(f"{number}", CODE)
        os.utime(entry(folder, f"{number}"), (now - 9000 + number,) * 2)
    assert cache.read("0") == CODE  # and is used now
    cache.trim(folder)
    kept = sorted(path.stem for path in folder.iterdir())
    assert kept == ["0", "5", "6", "7", "8", "9"]  # three quarters of 8


def test_size_is_looked_at_now_and_then(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(cache, "trim", calls.append)
    numbers = iter(range(cache.EVERY))
    monkeypatch.setattr(cache.secrets, "randbelow", lambda end: next(numbers))
    for number in range(cache.EVERY):
        cache.write(f"{number}", CODE)
    assert calls == [folder]


def test_info_and_clear(folder):
    size = len(CODE) + cache.HEADER
    for number in range(3):
        cache.write(f"{number}", CODE)
    (folder / "notes.txt").write_text("mine")
    assert cache.info() == (folder, 3, 3 * size)
    assert cache.clear() == (3, 3 * size)
    assert cache.info() == (folder, 0, 0)
    assert files(folder) == ["notes.txt"]


# -------------------------------------------------------------------------------- with kernels

SOURCE = """
def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    x = pointer(f32, args[0])
    for i in lanes(lo, hi):
        x[i] = exp(x[i]) + 1.5
    return 0
"""


def run_kernel():
    """Run a kernel as a new process would; whether it was compiled or loaded."""
    language._addresses.clear()
    before = language.STATISTICS.compiled, language.STATISTICS.loaded
    x = np.linspace(-1, 1, 100).astype(np.float32)
    args = np.array([x.ctypes.data], np.int64)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)
    kind(language.native(SOURCE))(args.ctypes.data, 0, 100, 0)
    np.testing.assert_allclose(x, np.exp(np.linspace(-1, 1, 100)) + 1.5, rtol=1e-6)
    return language.STATISTICS.compiled - before[0], language.STATISTICS.loaded - before[1]


def in_processes(count, code, folder):
    """Run Python code in several processes at once; what each prints."""
    setting = {**os.environ, "TINYGRAPH_CACHE": str(folder)}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=setting, text=True,
                         cwd=os.path.dirname(os.path.abspath(__file__)),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(count)
    ]  # fmt: skip
    done = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * count, done
    return [out for out, _ in done]


def path_code():
    return f"import sys\nsys.path[:0] = {sys.path!r}\nimport test_cache\n"


def test_processes_that_start_with_one_empty_folder(folder):
    results = in_processes(3, path_code() + "print(test_cache.run_kernel())", folder)
    assert set(results) <= {"(1, 0)\n", "(0, 1)\n"}
    assert len(files(folder)) == 1
    assert in_processes(1, path_code() + "print(test_cache.run_kernel())", folder) == ["(0, 1)\n"]


def test_a_process_that_is_killed_while_it_writes(folder):
    code = (
        path_code()
        + """
import os, signal
from tinygraph_numba.language import cache
os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
cache.write("key", b"code")
"""
    )
    with pytest.raises(AssertionError):
        in_processes(1, code, folder)
    (left,) = files(folder)
    assert left.endswith(".tmp")
    assert in_processes(1, path_code() + "print(test_cache.run_kernel())", folder) == ["(1, 0)\n"]


def test_a_harmed_kernel_is_compiled_again(folder, monkeypatch):
    monkeypatch.setattr(language, "_addresses", {})
    language._addresses.clear()
    assert in_processes(1, path_code() + "print(test_cache.run_kernel())", folder) == ["(1, 0)\n"]
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    again = in_processes(2, path_code() + "print(test_cache.run_kernel())", folder)
    assert set(again) <= {"(1, 0)\n", "(0, 1)\n"}
    assert "(1, 0)\n" in again


def test_cold_and_warm_results_are_the_same_code(folder, monkeypatch):
    monkeypatch.setattr(language, "_addresses", {})
    key = language.symbol_of(SOURCE)
    first = cache.load_or_compile(key, lambda: language.compile_source(SOURCE))
    assert cache.read(key) == first
    assert language.compile_source(SOURCE) == first


def test_the_key_holds_all_that_decides(monkeypatch):
    language._surroundings.cache_clear()
    key = language.symbol_of(SOURCE)
    assert language.symbol_of(SOURCE + "\n") != key
    assert language.symbol_of(SOURCE, "other") != key
    assert language.symbol_of(SOURCE, modules=[cache]) != key
    for change in ("host", "versions"):
        with monkeypatch.context() as patch:
            value = ("cpu", "") if change == "host" else "0.0"
            patch.setattr(language.emit, change, lambda value=value: value)
            language._surroundings.cache_clear()
            assert language.symbol_of(SOURCE) != key
    language._surroundings.cache_clear()
    assert language.symbol_of(SOURCE) == key
