"""Libraries' chatter goes to the log file, so that the terminal shows progress and results."""

import logging
import os
import warnings


def quiet() -> None:
    """Send warnings and library logging to the root logger. Call it before transformers is imported."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns at each fork
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    import datasets
    import transformers

    transformers.logging.disable_default_handler()
    transformers.logging.enable_propagation()
    transformers.logging.disable_progress_bar()
    datasets.utils.logging.disable_propagation()
    datasets.disable_progress_bars()
