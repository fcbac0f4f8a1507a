// Compiled once to make the precompiled header that the others reuse.
