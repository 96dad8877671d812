"""The version, in a module that imports nothing: what it is written into need not import the package's entries."""

__version__ = "0.1.0"
