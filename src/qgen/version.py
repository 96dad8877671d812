"""The version, in a module that imports nothing, so that code which records it need not import the commands."""

__version__ = "0.1.0"
