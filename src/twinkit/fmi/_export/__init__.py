"""FMUs out: any model as a self-contained FMU, C sources inside. `twinkit.fmi` is the public face."""
