from . import check as check, lab as lab, notebook as notebook, pages as pages
