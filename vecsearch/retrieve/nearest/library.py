"""The one place that imports FAISS."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

_POLICY: Final = "OMP_WAIT_POLICY"


def load_faiss() -> Any:  # noqa: ANN401 - FAISS has no types worth the name
    """Import FAISS when there is a vector to compare, so that bag-of-words never pays for it.

    Its OpenMP reads the environment once, when it is loaded. Threads that spin while they wait can
    make the training of a product quantizer fifty times slower on a small machine, so they sleep
    unless the environment says otherwise.
    """
    if "faiss" not in sys.modules and _POLICY not in os.environ:
        os.environ[_POLICY] = "PASSIVE"
        try:
            import faiss
        finally:
            os.environ.pop(_POLICY, None)  # another thread may be here too
        return faiss
    import faiss

    return faiss


def _keep_to_one_thread() -> None:
    """Let FAISS start no other thread: OpenMP would wait for those of the parent process."""
    if "faiss" in sys.modules:
        load_faiss().omp_set_num_threads(1)


os.register_at_fork(after_in_child=_keep_to_one_thread)
