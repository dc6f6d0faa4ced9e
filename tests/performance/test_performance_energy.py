import pynvml

from higgs_lib.performance import energy


def package(powercap, number, joules, *, wraps_at=1000):
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir()
    for name, text in (
        ("name", f"package-{number}"),
        ("energy_uj", joules * 10**6),
        ("max_energy_range_uj", wraps_at * 10**6),
    ):
        (folder / name).write_text(f"{text}\n")
    return folder / "energy_uj"


def without_gpus(monkeypatch):
    def none():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", none)


def test_processors_are_read_before_and_after_and_may_start_over(tmp_path, monkeypatch):
    without_gpus(monkeypatch)
    first, second = package(tmp_path, 0, 100), package(tmp_path, 1, 990)
    (tmp_path / "intel-rapl:0:0").mkdir()  # the cores alone, part of the package

    def work():
        first.write_text("107000000")
        second.write_text("4000000")

    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert energy.measure(work) == {"processor 0": 7, "processor 1": 14}


def test_gpus_count_in_millijoules(tmp_path, monkeypatch):
    """The driver's library is replaced."""
    counts = iter([5000, 5000, 8500])
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda number: number)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: next(counts))
    assert energy.measure(lambda: None) == {"GPU 0": 3.5}


def test_without_counters_the_result_is_empty(tmp_path, monkeypatch):
    without_gpus(monkeypatch)
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert energy.measure(lambda: None) == {}
