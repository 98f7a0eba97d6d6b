"""Kernels that are written by hand, and the plans for instructions that run by them."""
