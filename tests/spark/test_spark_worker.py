"""What a worker takes from Spark, and the same trainings on Keras' other backend, in processes of their own."""

import os
import re
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import keras
import pytest

from higgs_lib import models, spark
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.spark import synchronous
from higgs_lib.spark.synchronous import WorkerError
from higgs_lib.training import TrainConfig

CHOSEN = {"synchronous": "losses_of_one_process and two", "asynchronous": "as_one_machine_does and DOWNPOUR"}


@pytest.fixture(scope="module", autouse=True)
def on_jax(request):
    """The processes of the tests on JAX by their training; they start here, so that they wait and compute at once."""
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with ExitStack() as stack:
        processes = {}
        for training in {item.callspec.params["training"] for item in request.session.items if is_on_jax(item)}:
            file = str(Path(__file__).parent / f"test_spark_{training}.py")
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN[training], file]
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            processes[training] = stack.enter_context(process)
        yield processes


def is_on_jax(item):
    return item.nodeid.split("::")[-1].startswith(test_workers_train_on_jax_as_on_tensorflow.__name__)


def test_each_task_computes_on_the_gpu_that_spark_gives_to_it(events, tmp_path, monkeypatch):
    """There is none here, so that the error of Keras' backend tells which one the worker looked for."""
    script = tmp_path / "gpus.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["5"]}'\n""")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    settings = {
        "spark.worker.resource.gpu.amount": "1",
        "spark.worker.resource.gpu.discoveryScript": str(script),
        "spark.executor.resource.gpu.amount": "1",
        "spark.task.resource.gpu.amount": "1",
    }
    stream = EventStream.open(events, COMPLETE, range(1000))
    model = models.build(ModelSpec((5,)), models.standardisation(stream), seed=1)
    with spark.session("local-cluster[1,1,1024]", settings=settings) as session, pytest.raises(WorkerError) as failure:
        synchronous.fit(
            session, model, keras.optimizers.SGD(), stream, stream, TrainConfig(1, 100), n_workers=1, seed=1, retries=0
        )
    assert re.search(r"worker 0 .* cannot compute on 'gpu', as .*CUDA_VISIBLE_DEVICES='5'", str(failure.value))


@pytest.mark.parametrize("training", list(CHOSEN))
def test_workers_train_on_jax_as_on_tensorflow(training, on_jax):
    """The losses of one process at every step, and its weights."""
    output, _ = on_jax[training].communicate()
    assert on_jax[training].returncode == 0, output[-5000:]
