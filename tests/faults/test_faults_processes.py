"""Processes that compute beside another one end with it, also if it is killed."""

import subprocess
import sys
import time

import psutil

POOL = """
import time
from higgs_lib import processes

if __name__ == "__main__":
    with processes.pool(2) as pool:
        pool.submit(time.sleep, {seconds})
        pool.submit(time.sleep, {seconds})
        print("started", pool.submit(time.sleep, 0).done(), flush=True)
        time.sleep(600)
"""


def test_a_pool_ends_with_the_process_that_was_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(POOL.format(seconds=600))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    process.stdout.readline()
    until = time.monotonic() + 30
    workers = []
    while len(workers) < 2 and time.monotonic() < until:
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        time.sleep(0.05)
    time.sleep(1.0)  # until they compute
    process.kill()
    process.communicate()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
