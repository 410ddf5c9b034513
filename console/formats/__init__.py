"""One file per output format: values in, text out."""
