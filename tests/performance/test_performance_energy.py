import pynvml

from higgs_lib.performance import energy


def package(folder, number, joules, *, wraps_at=1000):
    made = folder / f"intel-rapl:{number}"
    made.mkdir()
    for name, text in (
        ("name", f"package-{number}"),
        ("energy_uj", joules * 10**6),
        ("max_energy_range_uj", wraps_at * 10**6),
    ):
        (made / name).write_text(f"{text}\n")
    return made / "energy_uj"


def without_gpus(monkeypatch):
    def none():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", none)


def test_processors_are_read_before_and_after_and_may_begin_again(tmp_path, monkeypatch):
    without_gpus(monkeypatch)
    first, second = package(tmp_path, 0, 100), package(tmp_path, 1, 990)
    (tmp_path / "intel-rapl:0:0").mkdir()  # the cores alone, part of the package

    def work():
        first.write_text("107000000")
        second.write_text("4000000")

    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert energy.spent(work) == {"processor 0": 7, "processor 1": 14}


def test_gpus_count_in_millijoules(tmp_path, monkeypatch):
    """A stand-in for the driver's library."""
    counts = iter([5000, 5000, 8500])
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda number: number)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: next(counts))
    assert energy.spent(lambda: None) == {"GPU 0": 3.5}


def test_where_nothing_counts_nothing_is_told(tmp_path, monkeypatch):
    without_gpus(monkeypatch)
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert energy.spent(lambda: None) == {}
