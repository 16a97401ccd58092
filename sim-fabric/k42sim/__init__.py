"""A simulated cluster: one supervisor process per cluster, the same binaries as on a lab."""
