"""File formats: one module each, all with `columns(path)` and `read(path)`."""
