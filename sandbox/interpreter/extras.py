"""Notebook habits that are not Python: magics, shell escapes, and IPython's display module.

Loaded only when a cell uses one of them.
"""
import sys


def rewrite(context, source, name, error):
    return None


def ipython_spec(context, name):
    return None
