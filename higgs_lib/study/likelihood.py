"""Binned profile likelihood of a classifier's score: HistFactory workspaces, expected discovery, impacts and toys.

Source of the statistics: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554; of the model:
K. Cranmer et al., CERN-OPEN-2012-016 (HistFactory), by pyhf, L. Heinrich et al., J. Open Source Softw. 6 (2021) 2823.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pyhf
from scipy import stats
from threadpoolctl import threadpool_limits

from higgs_lib import processes
from higgs_lib.device import cores
from higgs_lib.metrics import Experiment, Interval, asimov, jeffreys_interval

SIGNAL_STRENGTH, BACKGROUND_NORMALISATION, SIGNAL_NORMALISATION = (
    "mu",
    "background_normalisation",
    "signal_normalisation",
)
SIGNAL_UNCERTAINTY = 0.1  # relative, of the signal's cross-section
SCORE, CONTROL = "score", "control"  # channels
TOYS_PER_PROCESS = 50  # at least, as a process takes some seconds to start
STATISTICAL = "simulation_statistics"  # one parameter for each bin


class Effect(NamedTuple):
    """Expected events in each bin with one nuisance parameter shifted by one standard deviation, (n_bins,) each."""

    signal_up: np.ndarray
    signal_down: np.ndarray
    background_up: np.ndarray
    background_down: np.ndarray


class Templates(NamedTuple):
    """Expected events in bins of a classifier's score, (n_bins,) each, with what is uncertain about them."""

    signal: np.ndarray
    background: np.ndarray
    signal_error: np.ndarray
    """The standard deviation from the finite number of simulated signal events."""
    background_error: np.ndarray
    """The same of the background."""
    effects: Mapping[str, Effect]
    """The effect of each nuisance parameter."""

    def uncertainty(self, experiment: Experiment) -> np.ndarray:
        """Returns the standard deviation of the expected events, (n_bins,), without Poisson fluctuations."""
        shifts = [
            (effect.signal_up + effect.background_up - effect.signal_down - effect.background_down) / 2
            for effect in self.effects.values()
        ]
        shifts += [experiment.background_uncertainty * self.background, self.signal_error, self.background_error]
        return np.sqrt(np.square(shifts).sum(0))


def binned_significance(signal: np.ndarray, background: np.ndarray) -> float:
    """Returns the median discovery significance of independent bins (n_bins,) with an exactly known background.

    It is the root of the sum of the squares of `metrics.asimov`; source as in that function.

    >>> print(f"{binned_significance(np.array([50.0, 50.0]), np.array([100.0, 900.0])):.3f}")
    4.946
    """
    return float(np.sqrt((asimov(signal, background) ** 2).sum()))


def workspace(templates: Templates, experiment: Experiment, *, signal_uncertainty: float = SIGNAL_UNCERTAINTY) -> dict:
    """Returns a HistFactory workspace with Asimov data for the expected signal.

    The background's normalisation is known from a control measurement, a channel of its own without signal, whose
    expected number of events has the relative Poisson error `experiment.background_uncertainty`; so in one bin the
    significance is that of `metrics.asimov_with_uncertainty`. It selects events in the same way: what changes the
    number of all selected background events changes that of the control measurement by the same factor, and only the
    shape of the background is uncertain beyond it. The error of the background from finite simulation has one parameter
    for each bin (R. Barlow, C. Beeston, Comput. Phys. Commun. 77 (1993) 219, in the simplified form of J. Conway,
    arXiv:1103.0354); that of the signal, which matters only where there is a signal, is left out, as one parameter for
    both would understate that of the background.

    Args:
        templates: the expected events; bins with zero background are refused.
        experiment: the uncertainty of the background.
        signal_uncertainty: the relative uncertainty of the signal's cross-section.

    Returns:
        The workspace as JSON's types.

    Raises:
        ValueError: a bin has no expected background.
    """
    if not (templates.background > 0).all():
        raise ValueError("a bin without expected background has no likelihood: choose wider bins")

    def effects(of: str) -> list[dict]:
        return [
            {
                "name": name,
                "type": "histosys",
                "data": {
                    "hi_data": getattr(effect, f"{of}_up").tolist(),
                    "lo_data": getattr(effect, f"{of}_down").tolist(),
                },
            }
            for name, effect in templates.effects.items()
        ]

    def factor(name: str) -> dict:
        return {"name": name, "type": "normfactor", "data": None}

    sizes = {"hi": 1 + signal_uncertainty, "lo": 1 - signal_uncertainty}
    cross_section = {"name": SIGNAL_NORMALISATION, "type": "normsys", "data": sizes}
    of_signal = [factor(SIGNAL_STRENGTH), *effects("signal")]
    of_background = effects("background")
    if templates.background_error.any():
        of_background.append({"name": STATISTICAL, "type": "staterror", "data": templates.background_error.tolist()})
    score = [
        {
            "name": "signal",
            "data": templates.signal.tolist(),
            "modifiers": of_signal + [cross_section] * (signal_uncertainty > 0),
        },
        {"name": "background", "data": templates.background.tolist(), "modifiers": of_background},
    ]
    channels = [{"name": SCORE, "samples": score}]
    observations = [{"name": SCORE, "data": (templates.signal + templates.background).tolist()}]
    parameters = [{"name": SIGNAL_STRENGTH, "bounds": [[0.0, 10.0]], "inits": [1.0]}]
    if experiment.background_uncertainty > 0:
        n_control = experiment.background_uncertainty**-2
        normalisation = factor(BACKGROUND_NORMALISATION)
        of_background.append(normalisation)
        acceptances = [
            {
                "name": name,
                "type": "histosys",
                "data": {
                    side: [n_control * float(shifted.sum() / templates.background.sum())]
                    for side, shifted in (("hi_data", effect.background_up), ("lo_data", effect.background_down))
                },
            }
            for name, effect in templates.effects.items()
        ]
        control = [{"name": "background", "data": [n_control], "modifiers": [normalisation, *acceptances]}]
        channels.append({"name": CONTROL, "samples": control})
        observations.append({"name": CONTROL, "data": [n_control]})
        parameters.append({"name": BACKGROUND_NORMALISATION, "bounds": [[0.1, 3.0]], "inits": [1.0]})
    measurement = {"name": "discovery", "config": {"poi": SIGNAL_STRENGTH, "parameters": parameters}}
    return {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}


def nuisance_parameters(specification: dict) -> list[str]:
    """Returns the nuisance parameters of a workspace; those of finite simulation count as one."""
    model, _ = _model(specification)
    return [name for name in model.config.par_order if name != SIGNAL_STRENGTH]


def with_data(specification: dict, counts: np.ndarray) -> dict:
    """Returns a workspace with other observed events (n_bins,) of the score; the control measurement stays."""
    observations = [
        {**channel, "data": counts.tolist()} if channel["name"] == SCORE else channel
        for channel in specification["observations"]
    ]
    return {**specification, "observations": observations}


@contextlib.contextmanager
def _backend(tensors: str, optimizer) -> Iterator[None]:
    """Lets pyhf compute with a backend and an optimizer while it is open; the user's own choice returns afterwards."""
    chosen = pyhf.get_backend()
    pyhf.set_backend(tensors, optimizer)
    try:
        yield
    finally:
        pyhf.set_backend(*chosen)


def _slsqp() -> contextlib.AbstractContextManager:
    """Fits by scipy's SLSQP, which finds minima reliably and to many digits."""
    return _backend("numpy", "scipy")


def _model(specification: dict) -> tuple[pyhf.Model, np.ndarray]:
    """Returns the model of a workspace and its data."""
    config = specification["measurements"][0]["config"]
    parts = {"channels": specification["channels"], "parameters": config["parameters"]}
    model = pyhf.Model(parts, poi_name=config["poi"], validate=False)  # made here; the validation warns about itself
    observed = {channel["name"]: channel["data"] for channel in specification["observations"]}
    return model, np.concatenate([*(observed[name] for name in model.config.channels), model.config.auxdata])


def _twice_nll(model: pyhf.Model, data: np.ndarray, strength: float | None = None) -> tuple[np.ndarray, float]:
    """Returns the best parameters and -2 ln L; with `strength` given, at this signal strength."""
    if strength is not None and model.config.npars == 1:  # nothing to fit
        best, value = [strength], pyhf.infer.mle.twice_nll([strength], data, model)[0]
    elif strength is None:
        best, value = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    else:
        best, value = pyhf.infer.mle.fixed_poi_fit(strength, data, model, return_fitted_val=True)
    return np.asarray(best), float(value)


def _q0(model: pyhf.Model, data: np.ndarray) -> float:
    """Returns the statistic of a discovery, Cowan et al., equation 12; the signal strength is never negative."""
    return max(_twice_nll(model, data, 0.0)[1] - _twice_nll(model, data)[1], 0.0)


def discovery_significance(specification: dict) -> float:
    """Returns the significance of a discovery from a workspace's data, in standard deviations: the root of q0.

    With Asimov data it is the median of experiments with the expected signal.
    """
    model, data = _model(specification)
    with _slsqp():
        return float(np.sqrt(_q0(model, data)))


class Fit(NamedTuple):
    """The fit of a workspace."""

    strength: Interval
    """The signal strength with the interval of one standard deviation, by HESSE."""
    pulls: dict[str, Interval]
    """The fitted value of each nuisance parameter in units of its uncertainty before the fit, 0 where nothing pulls it,
    with the interval of one standard deviation after the fit; without those of finite simulation."""


def fit(specification: dict) -> Fit:
    """Fits a workspace."""
    model, data = _model(specification)
    best, errors = _best(model, data)
    poi = model.config.poi_index
    places = {name: model.config.par_slice(name).start for name in _single_parameters(model)}
    pulls = {name: _pull(model, name, best[place], errors[place]) for name, place in places.items()}
    return Fit(Interval(*(float(best[poi] + side * errors[poi]) for side in (0, -1, 1))), pulls)


class Impact(NamedTuple):
    """What one nuisance parameter does to the signal strength."""

    name: str
    up: float
    """The change of the signal strength with the parameter one standard deviation (after the fit) higher."""
    down: float
    """The same with it lower."""


def impacts(specification: dict) -> list[Impact]:
    """Returns the impacts of all nuisance parameters by size, the largest first, by a refit with each one shifted.

    Those of finite simulation, one for each bin, count together: as what they add in quadrature to the standard
    deviation of the signal strength.
    """
    model, data = _model(specification)
    poi, suggested = model.config.poi_index, model.config.suggested_fixed()
    best, errors = _best(model, data)
    ranked = []
    for name in _single_parameters(model):
        place = model.config.par_slice(name).start
        values = (best[place] + side * errors[place] for side in (1, -1))
        shifted = [_strength_with(model, data, best, place, value) - best[poi] for value in values]
        ranked.append(Impact(name, *(float(shift) for shift in shifted)))
    if STATISTICAL in model.config.par_order:
        fixed = [STATISTICAL in name or fix for name, fix in zip(model.config.par_names, suggested, strict=True)]
        _, others = _best(model, data, fixed)
        added = float(np.sqrt(max(errors[poi] ** 2 - others[poi] ** 2, 0.0)))
        ranked.append(Impact(STATISTICAL, added, -added))
    return sorted(ranked, key=lambda impact: -max(abs(impact.up), abs(impact.down)))


def _single_parameters(model: pyhf.Model) -> list[str]:
    """Returns the nuisance parameters without those of finite simulation."""
    return [name for name in model.config.par_order if name not in (SIGNAL_STRENGTH, STATISTICAL)]


def _best(model: pyhf.Model, data: np.ndarray, fixed: list[bool] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best parameters, by SLSQP, and their standard deviations there, by MINUIT."""
    settings = {"fixed_params": fixed}
    with _slsqp():
        start = np.asarray(pyhf.infer.mle.fit(data, model, **settings)).tolist()
    with _backend("numpy", "minuit"):
        fitted = pyhf.infer.mle.fit(data, model, init_pars=start, return_uncertainties=True, **settings)
    values, errors = np.asarray(fitted).T
    return values, errors


def _pull(model: pyhf.Model, name: str, value: float, error: float) -> Interval:
    """Returns the pull of a parameter; a normalisation's unit is the Poisson error of its control measurement."""
    unit, centre = 1.0, 0.0
    if name == BACKGROUND_NORMALISATION:
        n_control = float(
            model.expected_actualdata(model.config.suggested_init())[model.config.channel_slices[CONTROL]][0]
        )
        unit, centre = n_control**-0.5, 1.0
    return Interval(*(float((value + side * error - centre) / unit) for side in (0, -1, 1)))


def _strength_with(model: pyhf.Model, data: np.ndarray, best: np.ndarray, place: int, value: float) -> float:
    """Returns the fitted signal strength with the parameter at index `place` kept at a value."""
    start, fixed = best.copy(), list(model.config.suggested_fixed())
    start[place], fixed[place] = value, True
    with _slsqp():
        refit = pyhf.infer.mle.fit(data, model, init_pars=start.tolist(), fixed_params=fixed)
    return float(np.asarray(refit)[model.config.poi_index])


class Toys(NamedTuple):
    """Experiments drawn from a workspace's model, and what the asymptotic formulae say of them."""

    q0: np.ndarray
    """The statistic of a discovery without signal, (n,)."""
    t_expected: np.ndarray
    """-2 ln of the likelihood ratio of the true signal strength, with the expected signal, (n,)."""

    def coverage(self, level: float = 0.6827) -> Interval:
        """Returns the fraction of experiments whose interval of this level on the signal strength holds the true one.

        The interval is {mu: t_mu < the quantile of a chi-squared distribution with one degree of freedom}. Its own
        interval is the 95 % one of Jeffreys.
        """
        return _fraction(self.t_expected <= stats.chi2.ppf(level, 1))

    def tail(self, significance: float) -> Interval:
        """Returns the fraction of experiments without signal that reach a significance; the formula says 1 - Phi."""
        return _fraction(self.q0 >= significance**2)


def _fraction(passed: np.ndarray) -> Interval:
    """Returns the fraction of true values with Jeffreys' 95 % interval."""
    n_passed = int(passed.sum())
    return Interval(n_passed / len(passed), *(float(limit) for limit in jeffreys_interval(n_passed, len(passed))))


def toys(specification: dict, n_toys: int, *, seed: int, workers: int | None = None) -> Toys:
    """Draws and fits experiments without signal and with the expected one.

    The measurements that constrain the nuisance parameters are drawn as well, so that the ensembles are frequentist.

    Args:
        specification: the workspace.
        n_toys: the number of experiments of each kind.
        seed: of the draws.
        workers: the number of processes, on which the experiments do not depend; None: one per core.

    Returns:
        The statistics of all experiments.
    """
    make = partial(_fit_toys, specification, seed=seed)
    shares = np.array_split(np.arange(n_toys), min(workers or cores(), -(-n_toys // TOYS_PER_PROCESS)))
    with processes.pool(len(shares), _compute_alone) as pool:
        rows = np.concatenate(list(pool.map(make, shares)))
    return Toys(*rows.T)


def _compute_alone() -> None:
    """Keeps a process of its own to one thread, and JAX from a GPU: so small a problem gains nothing from more.

    Threads of several such processes would wait for each other. Called before JAX starts.
    """
    threadpool_limits(1)
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"


def _fit_toys(specification: dict, numbers: np.ndarray, *, seed: int) -> np.ndarray:
    """Draws and fits experiments by their numbers; returns q0 without signal, and t of the true strength with signal.

    The fits use gradients by JAX: one takes a tenth of the time of MINUIT's.
    """
    model, _ = _model(specification)
    rows = []
    with _backend("jax", "scipy"):
        for number in numbers:
            rng = np.random.default_rng([seed, number])
            without, expected = (pyhf.tensorlib.astensor(_draw(model, strength, rng)) for strength in (0.0, 1.0))
            t = _twice_nll(model, expected, 1.0)[1] - _twice_nll(model, expected)[1]
            rows.append((_q0(model, without), max(t, 0.0)))
    return np.array(rows)


def _draw(model: pyhf.Model, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Draws one experiment: Poisson counts, and measurements of the nuisance parameters around their true values."""
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = strength
    counts = rng.poisson(np.asarray(model.expected_actualdata(parameters))).astype(float)
    return np.concatenate([counts, _draw_auxiliary(model, rng)])


def _draw_auxiliary(model: pyhf.Model, rng: np.random.Generator) -> np.ndarray:
    """Draws the measurements of the constrained parameters: all are Gaussian, with the widths of their constraints."""
    centres, widths = [], []
    for name in model.config.auxdata_order:
        parameter_set = model.config.param_set(name)
        centres += list(parameter_set.auxdata)
        widths += list(getattr(parameter_set, "sigmas", [1.0] * parameter_set.n_parameters))
    return rng.normal(centres, widths)
