"""The parameters of the simulation: one dataclass, whose defaults are the study's.

Masses and the collision energy are those of Baldi et al. 2014. A constant without a source was fitted to UCI HIGGS
(doi:10.24432/C5V312, CC BY 4.0) by `tools/fit_simulation.py`; many of these are effective rather than physical, as
noted beside them.
"""

import math
from dataclasses import dataclass, fields
from numbers import Real

VIRTUALITY_MIN, VIRTUALITY_MAX = 4.7, 38.0  # GeV, the limits of a quark's mass before it radiates
WIDTHS = 3.0  # Breit-Wigner masses are cut at this many widths from the pole


@dataclass(frozen=True)
class SimulationParameters:
    """Holds the constants of the two processes and of the detector.

    Masses, widths, energies and momenta are in GeV, angular distances in eta and rad. A docstring after several fields
    describes them all. Raises ValueError, naming the parameter, for unphysical values: a fraction outside [0, 1], a
    size that is not positive, a kinematically forbidden decay.
    """

    # the hard process
    energy: float = 8000.0
    """Centre-of-mass energy of the proton collision."""
    signal_share: float = 0.53
    """Fraction of signal among all selected events."""
    m_heavy_higgs: float = 425.0
    m_charged_higgs: float = 325.0
    m_light_higgs: float = 125.0
    """Masses of the Higgs bosons."""
    m_top: float = 174.7
    """Mass of the top quark: fitted, as Baldi et al. give none; the file's rule for m_jjj takes 175."""
    m_w: float = 80.4
    """Mass of the W boson."""
    higgs_width: float = 5.0
    """Width of the two heavier Higgs bosons; the light one's is far below the resolution."""
    top_width: float = 1.5
    w_width: float = 2.1
    """Widths of the top quark and of the W boson."""
    signal_density_exponent: float = 9.838
    """Exponent e of the density x^-1/2 (1-x)^e of the gluons that make H0: effective (measured: about 5 to 8)."""
    top_pair_mass_exponent: float = 1.004
    """Exponent e of the factor (M / 400 GeV)^-e on the leading-order mass spectrum of top pairs: effective."""
    signal_w_polarised: float = 0.7882
    """Fraction of W bosons from scalar decays that are longitudinal; the rest decay isotropically: effective."""
    top_w_polarised: float = 0.7895
    """Fraction of W bosons from top decays that are 70 % longitudinal and 30 % left-handed: effective."""

    # initial-state radiation
    isr_density: float = 0.3013
    """Factor A in the density of emissions, A ln(Q/pT) d ln(pT)."""
    isr_density_quarks: float = 0.567
    """Factor on the density where quarks collide, which radiate less than gluons (4/9 by colour)."""
    isr_scale_signal: float = 0.886
    """Scale Q as a fraction of the H0 mass."""
    isr_scale_background: float = 0.4634
    """Scale Q as a fraction of the top-pair mass, taken as 800 GeV at most."""
    isr_pt_min: float = 7.195
    """Smallest transverse momentum of an emission."""
    isr_log_exponent: float = 0.4975
    """Exponent e of ln(Q/pT), which is distributed as u^e for uniform u; 0.5 gives exactly the density above."""
    isr_rapidity_follow_signal: float = 1.813
    isr_rapidity_follow_background: float = 0.8459
    """Ratio of the mean rapidity of the emissions to the system's: effective."""
    isr_rapidity_offset_signal: float = 1.319
    isr_rapidity_offset_background: float = 1.904
    """Term added to ln(Q/pT) in the half-width of the emissions' rapidity."""
    isr_rapidity_limit_signal: float = 4.467
    isr_rapidity_limit_background: float = 5.189
    """Upper limit of that half-width."""
    soft_recoil: float = 16.16
    """Recoil on each transverse axis against undetectably soft radiation; it leaves no missing transverse energy."""
    soft_recoil_shape: float = 0.4526
    """Shape of the Gamma distribution of the squared soft recoil."""

    # jets
    light_virtuality: float = 11.48
    b_virtuality: float = 17.61
    """Means of the Gamma-distributed part, above 4.7 GeV, of a light or b quark's mass before it radiates."""
    fsr_light: float = 0.1084
    fsr_b: float = 0.2742
    """Fractions of light and of b quarks that split once, with densities 1/z and 1/angle."""
    fsr_z_min: float = 0.01116
    """Smallest momentum fraction z of the softer parton of a splitting."""
    fsr_angle_min: float = 0.3406
    fsr_angle_max_light: float = 1.246
    fsr_angle_max_b: float = 1.273
    """Limits of the angle of a splitting."""
    jet_radius: float = 0.5137
    jet_radius_spread: float = 0.03289
    jet_radius_balance: float = 0.3104
    """Distance below which partons merge: mean and standard deviation of a normal distribution, one value per event,
    times 1 + balance x (softer over harder pT), as a cone about the common axis holds two equal partons that lie
    further apart."""
    response_light: float = 1.025
    response_b: float = 0.9883
    """Ratio of measured to true energy: effective, since energy from outside the parton enters its jet."""
    loss_light: float = 0.0093
    loss_b: float = 0.02736
    """Scale of the exponential energy loss out of the jet at 50 GeV."""
    stochastic_light: float = 0.815
    stochastic_b: float = 0.9299
    constant: float = 0.04302
    """Jet energy resolution: stochastic / sqrt(E) and constant, added in quadrature."""
    tail_light: float = 0.1038
    tail_b: float = 0.1483
    """Fraction of jets at 40 GeV that lose up to `tail_depth` of their energy."""
    tail_depth: float = 0.6258
    """Largest fraction of energy that a jet in the tail loses."""
    b_neutrino_share: float = 0.2555
    """Fraction of b jets with a neutrino."""
    b_neutrino_shape: float = 7.684
    """Second parameter of the distribution Beta(1.2, shape) of that neutrino's fraction of energy."""
    met_noise: float = 4.212
    met_noise_root: float = 1.436
    """Noise of the missing transverse energy on each axis: met_noise and met_noise_root sqrt(sum pT) / 2, added in
    quadrature."""

    # b-tags
    tag_b: float = 0.5597
    tag_charm: float = 0.2764
    tag_light: float = 0.01474
    """Tag efficiencies at high pT in the middle of the tracker."""
    tag_b_radiation: float = 0.6952
    tag_isr: float = 0.04026
    """Tag efficiencies of a parton radiated by a b quark, whose jet the b hadron's tracks may reach, and of initial-
    state radiation, part of which splits into heavy quarks: both effective."""
    tag_pt: float = 24.11
    """Scale of the rise of the tag efficiencies, 1 - exp(-pT / tag_pt)."""
    tag_eta_max: float = 1.744
    tag_eta_power: float = 6.116
    """End and power of the fall of the tag efficiencies, 1 - (|eta| / tag_eta_max)^power."""
    loose_tags: float = 0.1461
    loose_tags_slope: float = 0.0004672
    """Fraction of tags at the lower of the two levels at pT = 0, and its rise per GeV of pT."""

    # selection and stored jets
    lepton_resolution: float = 0.02
    """Relative resolution of the lepton's transverse momentum."""
    lepton_pt_min: float = 15.0
    """Smallest transverse momentum of the lepton."""
    lepton_eta_max: float = 2.42
    """Largest absolute pseudorapidity of the lepton: the selection's 2.5, less what is lost at the edge."""
    lepton_rise: float = 8.98
    """Scale of the rise of the lepton's efficiency, 1 - exp(-pT / lepton_rise)."""
    lepton_central_loss: float = 0.1757
    """Loss of that efficiency at eta = 0, which falls linearly to 0 at the edge: effective."""
    isolation: float = 0.4
    """Distance in eta and phi around the lepton within which an event must not have a jet."""
    isolation_in_jet: float = 0.7159
    lepton_in_jet: float = 0.4089
    """Larger distance within which a jet lowers the lepton's efficiency, and that efficiency."""
    jet_pt_min: float = 15.0
    jet_eta_max: float = 3.0
    """Smallest transverse momentum and largest absolute pseudorapidity of jets."""
    order_noise: float = 0.3403
    order_tag_shift: float = -0.1057
    """Order of the stored jets, which is by pT times a log-normal factor: its width, and the shift of its logarithm for
    tagged jets."""

    def __post_init__(self):
        for name in self.names():
            value = getattr(self, name)
            if not isinstance(value, Real):
                raise ValueError(f"SimulationParameters: {name} must be a number, not {value!r}")
            if not math.isfinite(value):
                raise ValueError(f"SimulationParameters: {name} must be finite, not {value}")
            if name in _FRACTIONS and not 0 <= value <= 1:
                raise ValueError(f"SimulationParameters: {name} must lie in [0, 1], not {value}")
            if name not in _SIGNED and value < 0:
                raise ValueError(f"SimulationParameters: {name} must be at least 0, not {value}")
            if name in _POSITIVE and value == 0:
                raise ValueError(f"SimulationParameters: {name} must be above zero")
        higgs, top, w = self.higgs_width, self.top_width, self.w_width
        for parent, products, widths, condition in (
            (self.m_heavy_higgs, self.m_charged_higgs + self.m_w, higgs, "m_heavy_higgs > m_charged_higgs + m_w"),
            (self.m_heavy_higgs, self.m_charged_higgs, 2 * higgs, "m_heavy_higgs > m_charged_higgs"),
            (self.m_charged_higgs, self.m_light_higgs + self.m_w, higgs, "m_charged_higgs > m_light_higgs + m_w"),
            (self.m_light_higgs, 2 * VIRTUALITY_MAX, 0, f"m_light_higgs > {2 * VIRTUALITY_MAX:g} GeV (two b quarks)"),
            (self.m_top, self.m_w + VIRTUALITY_MAX, top + w, f"m_top > m_w + {VIRTUALITY_MAX:g} GeV (a b quark)"),
            (self.m_w, 0, w, "m_w > 0"),
            (self.energy, self.m_heavy_higgs, higgs, "energy > m_heavy_higgs"),
            (self.energy, 2 * self.m_top, 2 * top, "energy > 2 m_top"),
        ):
            if parent <= products + WIDTHS * widths:
                raise ValueError(
                    f"SimulationParameters: a process is kinematically forbidden: choose {condition}, "
                    "with room for the widths"
                )

    @classmethod
    def names(cls) -> list[str]:
        """Returns the names of all parameters."""
        return [field.name for field in fields(cls)]

    def changes(self) -> dict[str, float]:
        """Returns the parameters that differ from the defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


_SIGNED = {"top_pair_mass_exponent", "order_tag_shift", "loose_tags_slope"}
_FRACTIONS = {
    *("signal_share", "signal_w_polarised", "top_w_polarised", "fsr_light", "fsr_b", "tail_light", "tail_b"),
    *("tail_depth", "b_neutrino_share", "tag_b", "tag_charm", "tag_light", "tag_b_radiation", "tag_isr"),
    *("loose_tags", "lepton_in_jet", "lepton_central_loss"),
}
_POSITIVE = {
    *("energy", "m_heavy_higgs", "m_charged_higgs", "m_light_higgs", "m_top", "m_w", "isr_pt_min", "fsr_z_min"),
    *("isr_scale_signal", "isr_scale_background", "soft_recoil_shape", "fsr_angle_min", "fsr_angle_max_light"),
    *("fsr_angle_max_b", "b_neutrino_shape", "tag_pt", "tag_eta_max", "lepton_eta_max", "lepton_rise", "jet_pt_min"),
}
