"""A file that is written is the old one or the whole new one, whatever happens meanwhile."""

import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from tinygraph.io import load, replacing, save

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and signals of POSIX")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_block_that_ends_well_gives_the_new_file(tmp_path):
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        with replacing(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_everything_as_it_was(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_half():
        with replacing(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "w.safetensors"
    save({"w": np.zeros(3)}, path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save({"w": np.ones(3)}, path)
    assert list(tmp_path.iterdir()) == [path]
    assert not load(path)["w"].any()


@posix
def test_a_process_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    save({"w": np.zeros(3)}, path)
    code = (
        "import os, signal, sys\n"
        "from tinygraph.io import replacing\n"
        "with replacing(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert not load(path)["w"].any()


@posix
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    save({}, tmp_path / "w")
    assert mode(tmp_path / "w") == mode(tmp_path / "plain")


@posix
def test_a_replaced_file_hands_on_its_permissions(tmp_path):
    path = tmp_path / "w"
    save({}, path)
    path.chmod(0o640)
    save({"w": np.ones(1)}, path)
    assert mode(path) == 0o640


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "w", tmp_path / "link"
    link.symlink_to(target)
    save({"w": np.ones(1)}, link)
    assert link.is_symlink()
    assert load(target).keys() == {"w"}


@posix
def test_devices_and_read_only_files_are_not_replaced(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="not an ordinary file"):
        save({}, os.devnull)
    path = tmp_path / "w"
    save({}, path)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write on anything
    with pytest.raises(PermissionError, match="the file is read-only"):
        save({}, path)
