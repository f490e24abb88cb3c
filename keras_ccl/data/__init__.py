"""The embedded subsets of MNIST and Fashion-MNIST; LICENSES.md tells their licences."""
