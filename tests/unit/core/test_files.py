"""Files are written whole or not at all: full disk, missing folder, a process killed in the middle."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import twinkit as tk
from twinkit.core import files
from twinkit.core.files import write_atomically

SOURCE = str(Path(tk.__file__).parents[1])


def test_a_file_is_written_and_replaced(tmp_path):
    target = tmp_path / "a.bin"
    assert write_atomically(target, b"first") == target
    write_atomically(str(target), b"second, longer")
    assert target.read_bytes() == b"second, longer"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch, call, number):
    target = tmp_path / "a.bin"
    write_atomically(target, b"first")

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(tk.StorageError, match="any earlier file is unchanged") as caught:
        write_atomically(target, b"second")
    assert isinstance(caught.value.__cause__, OSError)
    assert os.strerror(number) in str(caught.value)
    assert "a.bin" in str(caught.value)
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.bin"]


LIMITED = """
import resource, signal, sys
import twinkit as tk
from twinkit.core.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], bytes(5000))
except tk.StorageError as error:
    print("REFUSED", error)
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_write_that_stops_in_the_middle_leaves_the_earlier_file(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"first")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(target)], env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("REFUSED could not write")
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.bin"]


KILLED = """
import os, sys, time
import twinkit.core.files as files
sys.path.insert(0, "")
original = os.fsync
def slow(handle):
    original(handle)
    print("in the middle", flush=True)
    time.sleep(60)
files.os.fsync = slow
files.write_atomically(sys.argv[1], bytes(5000))
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_killed_while_saving_leaves_the_earlier_file(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"first")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.readline().strip() == "in the middle"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"first"
    write_atomically(target, b"second")
    assert target.read_bytes() == b"second"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(tk.StorageError, match="nowhere") as caught:
        write_atomically(tmp_path / "nowhere" / "a.bin", b"x")
    assert isinstance(caught.value, OSError)


def test_a_folder_cannot_be_replaced_by_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(tk.StorageError):
        write_atomically(tmp_path / "folder", b"x")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(tk.StorageError, match="could not write"):
        write_atomically(tmp_path / "a.bin", b"x")


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.bin", b"x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_new_file_has_the_permissions_of_any_other_new_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    write_atomically(tmp_path / "a.bin", b"x")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert time.time() - (tmp_path / "a.bin").stat().st_mtime < 60
