from higgs_lib.performance.throughput import KERAS, OURS, Throughput, Timing

TIMINGS = [
    Timing(OURS, "sgd", 100, [1e-3, 2e-3, 4e-3]),
    Timing(OURS, "sgd", 1000, [1e-2]),
    Timing(KERAS, "sgd", 100, [1e-2]),
]
THROUGHPUT = Throughput("processor", 2, "tensorflow", {}, TIMINGS, 1_000_000, 5e11, None, {}, {}, {})


def test_rates_are_events_per_second():
    assert THROUGHPUT.rates(OURS) == {"sgd": {100: (50_000, 25_000, 100_000), 1000: (100_000,) * 3}}
    assert THROUGHPUT.median_rates(KERAS, "sgd") == {100: 10_000}


def test_the_fraction_of_the_peak_is_that_of_the_operations():
    assert THROUGHPUT.fraction_of_peak(OURS, "sgd") == {100: 0.1, 1000: 0.2}
