"""One file for each command: parse, call, render, exit. Loaded only when used."""
