"""The scaling core: samples in, decisions out, without clock or I/O."""
