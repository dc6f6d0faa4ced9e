"""Models from others: a file is loaded, or refused in one line, and nothing of it runs or leaves its folder."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest
from fuzzing import FUZZ, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import altered, damaged

from higgs_lib import models
from higgs_lib.models import ModelFileError, ModelSpec, Standardisation, archive

loads = settings(examples, max_examples=max(5, min(int(FUZZ or 0) // 25, 400)))  # TensorFlow takes a while


def as_bytes(model) -> bytes:
    """The file of a model."""
    path = io.BytesIO()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in model.items():
            file.writestr(name, content)
    return path.getvalue()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    model = models.build(ModelSpec((3, 2), dropout=0.1), Standardisation(np.zeros(4), np.ones(4)), seed=1)
    model.compile(models.optimizer(ModelSpec((3, 2)), 100, 10, 1), "binary_crossentropy")
    path = tmp_path_factory.mktemp("models") / "small.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def members(network) -> dict[str, bytes]:
    with zipfile.ZipFile(network) as file:
        return {name: file.read(name) for name in file.namelist()} | {archive.RECORD: b'{"features": "low"}'}


def refused(path, content: bytes, read) -> str | None:
    """Returns why `read` refuses a file of this content; None if it does not."""
    path.write_bytes(content)
    before = sorted(path.parent.iterdir())
    message = None
    try:
        read(path)
    except ModelFileError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert len(message.splitlines()) == 1
    assert sorted(path.parent.iterdir()) == before
    return message


@examples
@given(st.data())
def test_damaged_archives(tmp_path, members, data):
    content = as_bytes(members)
    refused(tmp_path / "a.keras", data.draw(damaged(content)), archive.read_keras)


NAMES = st.sampled_from(
    ("config.json", "metadata.json", archive.RECORD, "../x", "/x", "a/../../x", "..\\x", "C:x", "x")
)


@examples
@given(st.data())
def test_archives_of_other_members(tmp_path, members, data):
    added = data.draw(st.dictionaries(NAMES, st.binary(max_size=30) | st.just(b"{}"), max_size=3))
    kept = {name: members[name] for name in members if data.draw(st.integers(0, 5))}
    message = refused(tmp_path / "a.keras", as_bytes(kept | added), archive.read_keras)
    if any(".." in name or name in ("/x", "C:x") for name in added) or "config.json" not in kept | added:
        assert message


@loads
@given(st.data())
@pytest.mark.filterwarnings("ignore")  # Keras' own of odd settings
def test_models_of_other_settings_load_or_are_refused(tmp_path, members, data):
    config = json.loads(members["config.json"])
    changed = members | {"config.json": json.dumps(data.draw(altered(config))).encode()}
    refused(tmp_path / "a.keras", as_bytes(changed), models.load)
    keras.backend.clear_session()


@loads
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_models_of_damaged_members_load_or_are_refused(tmp_path, members, data):
    name = data.draw(st.sampled_from(("config.json", "metadata.json")))
    changed = members | {name: data.draw(damaged(members[name]))}
    refused(tmp_path / "a.keras", as_bytes(changed), models.load)
    keras.backend.clear_session()


def test_code_in_a_model_does_not_run(tmp_path, members):
    """Neither a Lambda layer's, nor that of a module which the settings name."""
    layer = keras.layers.Lambda(
        eval(f"lambda x: (__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch(), x)[1]")
    )
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs))
    (tmp_path / "ran").unlink(missing_ok=True)
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(ModelFileError, match=r"lambda.keras: cannot be used as a model .*Lambda"):
        models.load(tmp_path / "lambda.keras")
    config = json.loads(members["config.json"])
    for module, name in (("os", "system"), ("builtins", "exec"), ("antigravity", "fly"), ("keras.utils", "get_file")):
        config["config"]["layers"][1] |= {"module": module, "class_name": name, "registered_name": name}
        message = refused(
            tmp_path / "a.keras", as_bytes(members | {"config.json": json.dumps(config).encode()}), models.load
        )
        assert "a.keras: cannot be used as a model" in message
    assert not (tmp_path / "ran").exists()


class Mine(keras.layers.Layer):
    """A layer of another program."""

    def call(self, x):
        return x


def test_a_layer_of_another_program_is_refused_until_it_is_registered(tmp_path):
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(1)(Mine()(inputs))).save(tmp_path / "own.keras")
    with pytest.raises(ModelFileError, match=r"own.keras: cannot be used as a model.*Could not locate class 'Mine'"):
        models.load(tmp_path / "own.keras")
    with keras.saving.custom_object_scope({"Mine": Mine}):
        assert models.load(tmp_path / "own.keras").output_shape == (None, 1)


def bomb(members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (members | {"model.weights.h5": bytes(20_000_000)}).items():
            packed.writestr(name, content)
    return file.getvalue()


def flipped(members) -> bytes:
    content = bytearray(as_bytes(members))
    content[content.index(b"\x89HDF") + 3000] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.keras", lambda m: as_bytes(m | {"../../x": b"1"}), "holds files for other folders"),
        ("a.keras", lambda m: as_bytes(m | {"/tmp/x": b"1"}), "holds files for other folders"),
        ("a.keras", bomb, "would unpack to more than 100 times its size"),
        ("a.keras", flipped, "damaged in model.weights.h5"),
        ("a.keras", lambda m: as_bytes(m)[:-500], "not a model that was saved as .keras, or cut short"),
        ("a.keras", lambda m: b"", "not a model that was saved as .keras, or cut short"),
        ("a.keras", lambda m: archive.HDF5 + bytes(100), "HDF5, an older format of Keras"),
        ("a.h5", lambda m: archive.HDF5 + bytes(100), "HDF5, an older format of Keras"),
        ("a.model", as_bytes, "not a model, whose name ends with .keras; rename it"),
        ("a.keras", lambda m: as_bytes({"x": b""}), "not a model that Keras saved"),
        ("a.keras", lambda m: as_bytes(m | {"config.json": b"{"}), "config.json in it is not JSON"),
        ("a.keras", lambda m: as_bytes(m | {"config.json": b"[" * 100_000}), "config.json in it is not JSON"),
        ("a.keras", lambda m: as_bytes(m | {"metadata.json": b"[]"}), "metadata.json in it is not a JSON object"),
        ("a.keras", lambda m: as_bytes(m | {archive.RECORD: b"\xff"}), "higgs_lib.json in it is not JSON"),
        ("a.keras", lambda m: as_bytes(m | {"config.json": b"{}"}), "cannot be used as a model"),
        ("a.keras", lambda m: as_bytes(m | {"model.weights.h5": b"text"}), "cannot be used as a model"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, members, name, content, message):
    assert message in refused(tmp_path / name, content(members), models.load)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ModelFileError, match=r"folder.keras: a folder, and not a model"):
        models.load(tmp_path / "folder.keras")
    with pytest.raises(ModelFileError, match="no such model"):
        models.load(tmp_path / "none.keras")
