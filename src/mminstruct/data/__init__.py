"""Files that the package reads at run time: the seed instructions and the descriptions of the demo's photographs."""
