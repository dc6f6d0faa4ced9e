"""What the built-in events are made with: one dataclass, whose defaults are the study's.

Masses and the collision's energy are the study's own. Where a constant has no source it was fitted to UCI HIGGS
(doi:10.24432/C5V312, CC BY 4.0) by `benchmarks/tuning.py`; many such are effective rather than physical, as noted
beside them.
"""

from dataclasses import dataclass, fields
from numbers import Real

VIRTUALITY_MIN, VIRTUALITY_MAX = 4.7, 38.0  # GeV, the limits of a quark's mass before it radiates
WIDTHS = 3.0  # Breit-Wigner masses lie within so many widths of the pole


@dataclass(frozen=True)
class SimulationParameters:
    """The two processes and the detector. Masses, widths, energies and momenta in GeV, angles in eta and rad.

    ValueError, by name, for what cannot be: a share outside [0, 1], a size that is not positive, a closed decay.
    """

    # the collisions
    energy: float = 8000.0
    """Centre-of-mass energy of the proton collision."""
    signal_share: float = 0.53
    """Signal among all selected events."""
    m_heavy_higgs: float = 425.0
    m_charged_higgs: float = 325.0
    m_light_higgs: float = 125.0
    m_top: float = 174.7
    """Fitted, as the study gives none; the file's m_jjj rule takes 175."""
    m_w: float = 80.4
    higgs_width: float = 5.0
    """Of the two heavier Higgs bosons; the light one's is far below what is seen."""
    top_width: float = 1.5
    w_width: float = 2.1
    signal_density_exponent: float = 9.838
    """Of x^-1/2 (1-x)^e for the gluons that make H0: effective (real ones about 5 to 8)."""
    top_pair_mass_exponent: float = 1.004
    """The top-pair mass spectrum falls by (M / 400 GeV)^-e beyond leading order: effective."""
    signal_w_polarised: float = 0.7882
    """Share of W bosons of scalar decays that decay as longitudinal ones, the rest isotropically: effective."""
    top_w_polarised: float = 0.7895
    """The same of W bosons of top decays (70 % longitudinal, 30 % left-handed): effective."""

    # radiation before the collision
    isr_density: float = 0.3013
    """A in the density of emissions, A ln(Q/pT) d ln(pT)."""
    isr_density_quarks: float = 0.567
    """Factor of it where quarks collide, which radiate less than gluons (4/9 by colour)."""
    isr_scale_signal: float = 0.886
    """Q as a share of the H0 mass."""
    isr_scale_background: float = 0.4634
    """Q as a share of the top-pair mass, taken as 800 GeV at most."""
    isr_pt_min: float = 7.195
    isr_log_exponent: float = 0.4975
    """ln(Q/pT) is spread as u^e for uniform u; 0.5 is the density above exactly."""
    isr_rapidity_follow_signal: float = 1.813
    isr_rapidity_follow_background: float = 0.8459
    """The emissions' rapidity follows this multiple of the system's: effective."""
    isr_rapidity_offset_signal: float = 1.319
    isr_rapidity_offset_background: float = 1.904
    """Half-width of the emissions' rapidity on top of ln(Q/pT),"""
    isr_rapidity_limit_signal: float = 4.467
    isr_rapidity_limit_background: float = 5.189
    """which is limited to this."""
    soft_recoil: float = 16.16
    """GeV on each transverse axis, of radiation too soft to be seen; leaves no missing energy."""
    soft_recoil_shape: float = 0.4526
    """Of the Gamma distribution of its square."""

    # jets
    light_virtuality: float = 11.48
    b_virtuality: float = 17.61
    """Mean of the Gamma part of a quark's mass before it radiates, above 4.7 GeV."""
    fsr_light: float = 0.1084
    fsr_b: float = 0.2742
    """Share of light and of b quarks that split once, with densities 1/z and 1/angle."""
    fsr_z_min: float = 0.01116
    fsr_angle_min: float = 0.3406
    fsr_angle_max_light: float = 1.246
    fsr_angle_max_b: float = 1.273
    jet_radius: float = 0.5137
    jet_radius_spread: float = 0.03289
    jet_radius_balance: float = 0.3104
    """Partons nearer than this merge: normal, one value an event, times 1 + balance x (softer over harder pT), as a
    cone about the common axis holds two equal partons that lie further apart."""
    response_light: float = 1.025
    response_b: float = 0.9883
    """Measured over true energy: effective, since energy from outside the parton falls into its jet."""
    loss_light: float = 0.0093
    loss_b: float = 0.02736
    """Scale of the exponential energy loss out of the jet at 50 GeV."""
    stochastic_light: float = 0.815
    stochastic_b: float = 0.9299
    constant: float = 0.04302
    """Jet energy resolution: stochastic / sqrt(E) and constant, added in quadrature."""
    tail_light: float = 0.1038
    tail_b: float = 0.1483
    """Share of jets at 40 GeV that lose up to `tail_depth` of their energy."""
    tail_depth: float = 0.6258
    b_neutrino_share: float = 0.2555
    """Share of b jets with a neutrino, whose energy share is Beta(1.2, `b_neutrino_shape`)."""
    b_neutrino_shape: float = 7.684
    met_noise: float = 4.212
    met_noise_root: float = 1.436
    """Missing energy noise on each axis: met_noise and met_noise_root sqrt(sum pT) / 2, added in quadrature."""

    # b-tags
    tag_b: float = 0.5597
    tag_charm: float = 0.2764
    tag_light: float = 0.01474
    """Tag efficiencies at high pT in the middle of the tracker."""
    tag_b_radiation: float = 0.6952
    tag_isr: float = 0.04026
    """The same of a parton radiated by a b quark, whose jet the b hadron's tracks may reach, and of radiation before
    the collision, part of which splits into heavy quarks: both effective."""
    tag_pt: float = 24.11
    """The efficiencies rise as 1 - exp(-pT / tag_pt) ..."""
    tag_eta_max: float = 1.744
    tag_eta_power: float = 6.116
    """... and fall as 1 - (|eta| / tag_eta_max)^power."""
    loose_tags: float = 0.1461
    loose_tags_slope: float = 0.0004672
    """Share of tags at the lower of the two levels, and its rise per GeV of pT."""

    # selection and what is stored
    lepton_resolution: float = 0.02
    lepton_pt_min: float = 15.0
    lepton_eta_max: float = 2.42
    """The selection's 2.5, less what is lost at the edge."""
    lepton_rise: float = 8.98
    """The lepton's efficiency rises as 1 - exp(-pT / lepton_rise) ..."""
    lepton_central_loss: float = 0.1757
    """... and is lower by this at eta = 0 than at the edge, linearly: effective."""
    isolation: float = 0.4
    """No jet lies within this distance in eta and phi of the lepton,"""
    isolation_in_jet: float = 0.7159
    lepton_in_jet: float = 0.4089
    """and one lies within this distance only with this efficiency."""
    jet_pt_min: float = 15.0
    jet_eta_max: float = 3.0
    order_noise: float = 0.3403
    order_tag_shift: float = -0.1057
    """Stored jets are ordered by pT times log-normal noise, tagged ones shifted by this logarithm."""

    def __post_init__(self):
        for field in fields(self):
            self._refuse(field.name, getattr(self, field.name))
        for parent, children, names in (
            (self.m_heavy_higgs, self.m_charged_higgs + self.m_w, "m_heavy_higgs > m_charged_higgs + m_w"),
            (self.m_charged_higgs, self.m_light_higgs + self.m_w, "m_charged_higgs > m_light_higgs + m_w"),
            (self.m_light_higgs, 2 * VIRTUALITY_MAX, f"m_light_higgs > {2 * VIRTUALITY_MAX:g} GeV, two b quarks"),
            (self.m_top, self.m_w + VIRTUALITY_MAX, f"m_top > m_w + {VIRTUALITY_MAX:g} GeV, a b quark"),
            (self.energy, self.m_heavy_higgs, "energy > m_heavy_higgs"),
            (self.energy, 2 * self.m_top, "energy > 2 m_top"),
        ):
            if parent <= children + WIDTHS * self.higgs_width:
                raise ValueError(f"Physics: a decay is closed: it needs {names}, with room for the widths")

    @classmethod
    def names(cls) -> list[str]:
        """All parameters."""
        return [f.name for f in fields(cls)]

    def changes(self) -> dict[str, float]:
        """What differs from the defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @staticmethod
    def _refuse(name: str, value: float) -> None:
        if not isinstance(value, Real):
            raise ValueError(f"Physics: {name} must be a number, not {value!r}")
        if name in _SHARES and not 0 <= value <= 1:
            raise ValueError(f"Physics: {name} must lie in [0, 1], not {value}")
        if name not in _SIGNED and not 0 <= value < float("inf"):
            raise ValueError(f"Physics: {name} must be a finite number, not negative; it is {value}")
        if name in _SIZES and value == 0:
            raise ValueError(f"Physics: {name} must be above zero")


_SIGNED = {"top_pair_mass_exponent", "order_tag_shift", "loose_tags_slope"}
_SHARES = {
    *(
        "signal_share",
        "signal_w_polarised",
        "top_w_polarised",
        "fsr_light",
        "fsr_b",
        "tail_light",
        "tail_b",
        "tail_depth",
    ),
    *("b_neutrino_share", "tag_b", "tag_charm", "tag_light", "tag_b_radiation", "loose_tags"),
    *("lepton_in_jet", "tag_isr", "lepton_central_loss"),
}
_SIZES = {
    *("energy", "m_heavy_higgs", "m_charged_higgs", "m_light_higgs", "m_top", "m_w", "isr_pt_min", "fsr_z_min"),
    *("isr_scale_signal", "isr_scale_background", "soft_recoil_shape", "fsr_angle_min", "fsr_angle_max_light"),
    *("fsr_angle_max_b", "b_neutrino_shape", "tag_pt", "tag_eta_max", "lepton_eta_max", "lepton_rise"),
}
