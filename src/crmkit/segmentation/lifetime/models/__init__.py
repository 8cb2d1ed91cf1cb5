"""The models and what is computed with them, which needs the extra `lifetime`."""

from crmkit.errors import MissingExtra

try:
    import numpy as np  # noqa: F401 - the modules below need both, and say nothing of extras
    import scipy  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtra("the models of lifetime value need SciPy: pip install 'crmkit[lifetime]'") from error
