"""Damaged checkpoints: whatever is in the file, a training starts or says in one sentence why not."""

import io
import json
import logging
import zipfile

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from mutations import altered, damaged
from small_training import build

from higgs_lib.training import CheckpointError, History, Measures
from higgs_lib.training.checkpoint import Checkpoint, State

SETTINGS = {"epochs": 3, "seed": 1, "model": "abc"}
HISTORY = History([Measures(0.6, 0.7, 0.8)], [Measures(0.5, 0.7, 0.8)], [1.5], 100)


@pytest.fixture(scope="module")
def initial() -> State:
    model, optimizer = build()
    optimizer.build(model.trainable_variables)
    return State.capture(model, optimizer, History([], [], [], 100), [])


@pytest.fixture(scope="module")
def stored(initial, tmp_path_factory) -> bytes:
    """The bytes of a checkpoint after one epoch."""
    path = tmp_path_factory.mktemp("checkpoint") / "one.npz"
    trained = [array + 1 for array in initial.model]
    Checkpoint(path, SETTINGS).write(State(trained, initial.optimizer, trained, HISTORY.as_dict()))
    return path.read_bytes()


def read(path, content, initial):
    """Returns the state that a training starts from, given the content of its checkpoint, and the file put aside."""
    path.write_bytes(content)
    aside = path.with_name("training.damaged.npz")
    aside.unlink(missing_ok=True)
    state = Checkpoint(path, SETTINGS).read(initial)
    return state, aside


def check(path, content, initial):
    """Checks that a training starts from the stored state or its own, with the damaged file put aside; or is told."""
    try:
        state, aside = read(path, content, initial)
    except CheckpointError as error:
        message, state = str(error), None
    if state is None:
        assert message.startswith(f"{path}: the checkpoint belongs to a training with different ")
        assert path.read_bytes() == content
    elif state is initial:
        assert aside.read_bytes() == content
        assert not path.exists()
    else:
        assert path.read_bytes() == content
        assert [array.shape for array in state.model] == [array.shape for array in initial.model]
        History.from_dict(state.history)


@examples
@given(st.data())
def test_damaged_bytes(tmp_path, initial, stored, data):
    logging.disable(logging.WARNING)
    content = data.draw(damaged(stored))
    check(tmp_path / "training.npz", content, initial)
    logging.disable(logging.NOTSET)


@examples
@given(st.data())
def test_members_that_another_program_wrote(tmp_path, initial, stored, data):
    """The archive is whole and its check sums are right, but what is in it is not what was written."""
    logging.disable(logging.WARNING)
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(["about.npy", *sorted(members)]))
    match data.draw(st.sampled_from(("about", "bytes", "shape", "type", "missing"))):
        case "about":
            about = json.loads(str(np.load(io.BytesIO(members["about.npy"]))))
            members["about.npy"] = array_file(np.array(json.dumps(data.draw(altered(about)))))
        case "bytes":
            members[name] = data.draw(damaged(members[name]))
        case "shape":
            members[name] = array_file(np.zeros(data.draw(st.lists(st.integers(0, 4), max_size=3)), np.float32))
        case "type":
            kind = data.draw(st.sampled_from(("f8", "i4", "U3", "O", "?", "c8", "M8[s]", "V4")))
            members[name] = array_file(np.zeros(3, kind))
        case "missing":
            del members[name]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    check(tmp_path / "training.npz", content.getvalue(), initial)
    logging.disable(logging.NOTSET)


def array_file(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def test_every_changed_byte_of_an_array_is_noticed(tmp_path, initial, stored, caplog):
    """numpy alone reads on: in the header of an array a changed shape hides that its check sum is wrong."""
    places = np.random.default_rng(1).integers(0, len(stored), 200)
    for place in places:
        content = bytearray(stored)
        content[place] ^= 0x10
        state, _ = read(tmp_path / "training.npz", bytes(content), initial)
        same = all(np.array_equal(a, b + 1) for a, b in zip(state.model, initial.model, strict=True))
        assert state is initial or (same and state.history == HISTORY.as_dict())


def test_a_pickle_in_a_checkpoint_does_not_run(tmp_path, initial, stored, caplog):
    class Code:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    for content in (array_file(np.array([Code()], object)), None):
        if content is None:
            file = io.BytesIO()
            np.savez(file, about=np.array([Code()], object))
            content = file.getvalue()
        state, aside = read(tmp_path / "training.npz", content, initial)
        assert state is initial
        assert aside.exists()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no such thing", b"half"])
def test_a_damaged_checkpoint_is_named_and_kept(tmp_path, initial, stored, caplog, content):
    content = stored[: len(stored) // 2] if content == b"half" else content
    state, aside = read(tmp_path / "training.npz", content, initial)
    assert state is initial
    assert aside.read_bytes() == content
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}/training.npz: not a checkpoint (")
    assert message.endswith(f"it is kept as {aside}, and the training starts over")


def test_a_folder_is_no_checkpoint(tmp_path, initial):
    with pytest.raises(CheckpointError, match="not a file; choose another path"):
        Checkpoint(tmp_path, SETTINGS).read(initial)
