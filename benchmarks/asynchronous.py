"""Measures asynchronous training: every rule's AUC and speed, the parameter server, strangers and lost workers.

    python benchmarks/asynchronous.py                     # everything
    python benchmarks/asynchronous.py --parts exchange    # some of it; the other parts of the result stay

The deep network on built-in events, with Adam. Two workers of one core each on this machine; `exchange` has up to 16.
"""

import json
import logging
import multiprocessing
import select
import signal
import socket
import tempfile
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import harness
import numpy as np
import psutil

from higgs_lib import models, simulation, spark
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing
from higgs_lib.spark import asynchronous
from higgs_lib.spark.heartbeat import HeartbeatMonitor
from higgs_lib.spark.parameter_server import Centre, CentreClient, ParameterServer, Progress
from higgs_lib.training import TrainConfig
from higgs_lib.training.channel import Channel, Credentials, connect
from higgs_lib.training.update_rules import DOWNPOUR, RULES

N_TRAINING, N_TEST = 262_144, 50_000  # events
N_FEW_TEST = 8192  # events where training is timed, as this program measures the centre on the workers' cores
ADAM_RATE = 0.001  # of a single worker
BATCH_SIZE, EPOCHS = 256, 8  # of the trainings whose AUC is compared
FAST_BATCH_SIZE, FAST_EPOCHS = 1024, 4  # of those that are timed
CLIENTS = (1, 2, 4, 8, 16)
EXCHANGES = 200  # of each client
N_STRANGERS = 10_000

log = logging.getLogger("asynchronous")


class Trainings:
    """Trainings of the deep network in one Spark session."""

    def __init__(self, session, folder: Path):
        """Makes the events."""
        events = folder / "events.parquet"
        if not events.exists():
            simulation.simulate(events, N_TRAINING + N_TEST, seed=1, workers=1)
        ranges = range(N_TRAINING), range(N_TRAINING, N_TRAINING + N_TEST)
        self.training, self.test = (EventStream.open(events, COMPLETE, rows) for rows in ranges)
        self.session, self.standard = session, models.standardisation(self.training)

    def train(
        self, rule: str, n_workers: int, batch_size: int, epochs: int, seed: int = 1, n_test: int = N_TEST
    ) -> tuple:
        """Trains the deep network once, and returns its test AUC after the last epoch and the training.

        Args:
            rule: the name of the update rule.
            n_workers: the number of workers.
            batch_size: events per step of each worker.
            epochs: passes over the events.
            seed: of initial weights and the order of events.
            n_test: the number of test events.
        """
        rule = RULES[rule]()
        spec = replace(PRESETS["deep"], optimizer="adam", learning_rate=ADAM_RATE * rule.rate_factor)
        model = models.build(spec, self.standard, seed)
        optimizer = models.optimizer(spec, self.training.n_events // n_workers, batch_size, epochs)
        trained = asynchronous.fit(
            self.session,
            model,
            optimizer,
            self.training,
            self.test.select([range(n_test)]),
            TrainConfig(epochs, batch_size),
            rule=rule,
            n_workers=n_workers,
            seed=seed,
        )
        return trained.history.validation[-1].auc, trained


def accuracy(trainings: Trainings, repeats: int) -> dict:
    """Returns the AUC of every rule with two workers, and its difference to a single worker, over the repeats."""
    aucs = {name: [] for name in RULES}
    for seed in range(1, repeats + 1):
        for name in RULES:
            auc, _ = trainings.train(name, 1 if name == "Single" else 2, BATCH_SIZE, EPOCHS, seed)
            aucs[name].append(auc)
            log.info("%s, seed %d: AUC %.4f", name, seed, auc)
    single = np.array(aucs["Single"])
    rules = {
        name: {
            "learning_rate": ADAM_RATE * RULES[name]().rate_factor,
            "auc": harness.spread(np.array(values)),
            "difference": harness.spread(np.array(values) - single),
        }
        for name, values in aucs.items()
    }
    return {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "n_events": N_TRAINING, "rules": rules}


def speed(trainings: Trainings, repeats: int) -> dict:
    """Returns the events per second of two workers against one, for every rule with a window, in turns."""
    ratios = {}
    for name, rule in RULES.items():
        if not rule.window:
            continue
        runs = {n: partial(trainings.train, name, n, FAST_BATCH_SIZE, FAST_EPOCHS, n_test=N_FEW_TEST) for n in (1, 2)}
        turns = timing.in_turn(runs, repeats, warm_up=False)
        rates = {n: np.array([trained.events_per_second for _, trained in turn]) for n, turn in turns.items()}
        service = [s for _, trained in turns[2] for s in trained.service_seconds]
        ratios[name] = {
            "speed_up": harness.spread(rates[2] / rates[1]),
            "events_per_second": {str(n): harness.spread(rate) for n, rate in rates.items()},
            "service_milliseconds": harness.spread(1e3 * np.quantile(service, [0.05, 0.5, 0.95])),
        }
        log.info("%s: %s", name, ratios[name]["speed_up"])
    return {"batch_size": FAST_BATCH_SIZE, "rules": ratios}


def exchange_repeatedly(address, number: int, n_values: int, barrier) -> None:
    """Commits and pulls as fast as it can, in a process of its own."""
    commit = np.zeros(n_values, np.float32)
    with CentreClient(address, number) as client:
        client.begin(0)
        client.pull()
        barrier.wait()
        for _ in range(EXCHANGES):
            client.commit(commit, n_events=1, n_batches=1, in_flight=0, pull=True)


def exchange(*, encrypted: bool) -> list[dict]:
    """Returns how many exchanges of the deep network's weights the server makes with workers that do nothing else."""
    n_values, rows = PRESETS["deep"].n_parameters(28), []
    context = multiprocessing.get_context("spawn")
    for n_clients in CLIENTS:
        centre = Centre(np.zeros(n_values, np.float32), DOWNPOUR(), n_clients)
        progress = [Progress(1, 0, 0, []) for _ in range(n_clients)]
        barrier, queue = context.Barrier(n_clients), context.Queue()
        with ParameterServer("127.0.0.1", Credentials.create(encrypted), centre, progress, queue) as server:
            arguments = [(server.address, number, n_values, barrier) for number in range(n_clients)]
            clients = [context.Process(target=exchange_repeatedly, args=args) for args in arguments]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            seconds = np.array([commit.seconds for commit in server.commits])
            service = 1e3 * np.array(server.service_seconds)
        rate = (len(seconds) - 1) / (seconds.max() - seconds.min())
        rows.append({"workers": n_clients, "exchanges_per_second": rate, "service_ms": harness.spread(service)})
        log.info("%d workers: %.0f exchanges/s, %.2f ms each at the server", n_clients, rate, np.median(service))
    return rows


def record_proof(address) -> bytes:
    """Returns what a worker sends to prove the secret, as somebody on the network would record it."""
    sent = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as relay:

        def pass_on() -> None:
            line, _ = relay.accept()
            with line, socket.create_connection(address[:2]) as inner:
                while ready := select.select([line, inner], [], [])[0]:
                    data = ready[0].recv(65_536)
                    if not data:
                        return
                    sent.extend(data if ready[0] is line else b"")
                    (inner if ready[0] is line else line).sendall(data)

        thread = threading.Thread(target=pass_on)
        thread.start()
        connect(address._replace(port=relay.getsockname()[1])).close()
        thread.join()
    return bytes(sent)


def attack(places: list[tuple[str, int]], proof: bytes, n_made) -> None:
    """Connects ten thousand times without the secret, in a process of its own, and keeps 500 connections open."""
    rng, lines = np.random.default_rng(1), []
    for number in range(N_STRANGERS):
        sent = (rng.bytes(400), proof[: len(proof) // 2], proof, b"")[number % 4]
        with suppress(OSError):
            lines.append(socket.create_connection(places[number % len(places)], timeout=5))
            n_made.value += 1
            lines[-1].sendall(sent)
        if len(lines) > 500:
            lines.pop(0).close()


def strangers(trainings: Trainings) -> dict:
    """Returns what a training is like while strangers connect to its program ten thousand times."""
    auc, undisturbed = trainings.train("DOWNPOUR", 2, BATCH_SIZE, 3 * EPOCHS)
    context, made, readers, processes = multiprocessing.get_context("spawn"), [], [], []
    n_made = context.Value("i", 0)

    class AttackedMonitor(HeartbeatMonitor):
        def __enter__(self):
            made.append(self.address[:2])
            return super().__enter__()

    class AttackedServer(ParameterServer):
        def __enter__(self):
            super().__enter__()
            arguments = ([*made, self.address[:2]], record_proof(self.address), n_made)
            processes.append(context.Process(target=attack, args=arguments))
            processes[0].start()
            return self

    class CountedChannel(Channel):
        def __init__(self, line):
            readers.append(line)
            super().__init__(line)

    with ExitStack() as patches:
        for place, replacement in (
            ("asynchronous.HeartbeatMonitor", AttackedMonitor),
            ("asynchronous.ParameterServer", AttackedServer),
            ("heartbeat.Channel", CountedChannel),
            ("parameter_server.Channel", CountedChannel),
        ):
            patches.enter_context(mock.patch(f"higgs_lib.spark.{place}", replacement))
        disturbed_auc, disturbed = trainings.train("DOWNPOUR", 2, BATCH_SIZE, 3 * EPOCHS)
        n_during = n_made.value
    processes[0].join()
    result = {
        "connections": n_during,
        "connections_read_from": len(readers),
        "workers_and_their_proof": 2 * 2 + 1,  # two lines of two workers, and the one that was recorded
        "auc": {"undisturbed": auc, "with strangers": disturbed_auc},
        "events_per_second": {
            "undisturbed": undisturbed.events_per_second,
            "with strangers": disturbed.events_per_second,
        },
        "lost_events": disturbed.lost_events,
    }
    log.info("strangers: %s", result)
    return result


def lost_worker(trainings: Trainings, repeats: int) -> dict:
    """Returns the AUC of three workers of which one is killed in the middle, and of three undisturbed ones, by ADAG.

    Under DOWNPOUR three workers differ by more from training to training than a loss could cost.
    """
    receive, aucs, lost = HeartbeatMonitor.next_message, {"undisturbed": [], "one killed": []}, []

    def kill_in_the_middle(monitor, timeout):
        message = receive(monitor, timeout)
        if message and message.message_type == "centre" and message.content.number == EPOCHS // 2:
            psutil.Process(monitor.workers[1].pid).send_signal(signal.SIGKILL)
        return message

    for seed in range(1, repeats + 1):
        aucs["undisturbed"].append(trainings.train("ADAG", 3, BATCH_SIZE, EPOCHS, seed)[0])
        with mock.patch.object(HeartbeatMonitor, "next_message", kill_in_the_middle):
            auc, trained = trainings.train("ADAG", 3, BATCH_SIZE, EPOCHS, seed)
        aucs["one killed"].append(auc)
        lost.append(trained.lost_events)
    differences = np.array(aucs["one killed"]) - np.array(aucs["undisturbed"])
    log.info("lost worker: %s, differences %s", aucs, differences)
    spreads = {name: harness.spread(np.array(values)) for name, values in aucs.items()}
    return {"auc": spreads, "difference": harness.spread(differences), "lost_events": lost}


PARTS = ("accuracy", "speed", "exchange", "strangers", "lost_worker")


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "asynchronous.json", repeats=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    result = json.loads(options.result.read_text()) if options.result.exists() else {}
    measured = {}
    if "exchange" in options.parts:
        measured["exchange"] = {
            name: exchange(encrypted=encrypted) for name, encrypted in (("plain", False), ("encrypted", True))
        }
    with tempfile.TemporaryDirectory() as folder:
        for n_executors, parts in ((2, ("accuracy", "speed", "strangers")), (3, ("lost_worker",))):
            if wanted := [part for part in parts if part in options.parts]:
                with spark.session(f"local-cluster[{n_executors},1,1024]") as session:
                    trainings = Trainings(session, Path(folder))
                    for part in wanted:
                        repeats = {} if part == "strangers" else {"repeats": options.repeats}
                        measured[part] = globals()[part](trainings, **repeats)
    harness.save(options.result, result | measured)


if __name__ == "__main__":
    main()
