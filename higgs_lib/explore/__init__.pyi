from .cuts import CutSlider as CutSlider, cut_slider as cut_slider
from .events import event_display as event_display
from .masses import mass_slider as mass_slider
