"""Nothing is left of a worker that is killed at the worst moment."""

import subprocess
import sys
from pathlib import Path

import pytest

# What is made is there, and the next instruction is never reached.
DIES = """
import _multiprocessing, _posixshmem, multiprocessing, os, signal
from multiprocessing import shared_memory
from transfer_jax.data.workers import end_with_parent, signals_left_to_this_process

def dies_after(make):
    def made(*arguments, **flags):
        make(*arguments, **flags)
        print([word[1:] for word in arguments if str(word)[0] == "/"][0], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return made

def work():
    end_with_parent(0, 1)
    _posixshmem.shm_open = dies_after(_posixshmem.shm_open)
    shared_memory.SharedMemory(create=True, size=8)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with signals_left_to_this_process():
"""
MOMENTS = {
    "shared memory": """
        process = context.Process(target=work)
        process.start()
        process.join()
""",
    "a semaphore": """
        from multiprocessing import synchronize
        _multiprocessing.SemLock = dies_after(_multiprocessing.SemLock)
        context.Lock()
""",
}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no folder here")
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_made_just_before_a_kill_is_freed(moment, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(DIES + MOMENTS[moment])
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # The process that frees what is left holds these pipes until it has done so.
    made, complaints = process.communicate(timeout=200)
    assert made.strip() and not complaints
    assert not [file.name for file in Path("/dev/shm").iterdir() if made.strip() in file.name]
