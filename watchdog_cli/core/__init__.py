"""Decisions only: plain values in, plain values out. No clock, process, file or screen."""
