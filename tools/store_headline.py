"""Stores the headline figure of a finished run as figures/crossing.svg, which the README shows.

python tools/store_headline.py runs/laptop
"""

import base64
import re
import sys
from pathlib import Path

from higgs_lib.files import write_atomically
from higgs_lib.report.front import headline_figure

DESTINATION = Path(__file__).parent.parent / "figures" / "crossing.svg"


def main() -> None:
    """Takes the figure from the notebook whose cell has the tag `headline`."""
    run = Path(sys.argv[1])
    figure = headline_figure(run, sorted(path.stem for path in (run / "notebooks").glob("*.ipynb")))
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', figure)
    if found is None:
        sys.exit(f"error: {run}: no headline figure; run `make reproduce` first")
    with write_atomically(DESTINATION) as path:
        path.write_bytes(base64.b64decode(found[1]))


if __name__ == "__main__":
    main()
