"""Libraries' chatter goes to the log file, so that the terminal shows progress and results."""

import logging
import os
import warnings


def quiet() -> None:
    """Send warnings and library logging to the root logger; calling it again changes nothing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns at each fork
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    import datasets
    import huggingface_hub
    import transformers

    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    huggingface_hub.utils.disable_progress_bars()
    for name in ("transformers", "datasets", "huggingface_hub", "trl", "accelerate"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
