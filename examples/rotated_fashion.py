"""Fashion-MNIST turned a little further each task: a stream that no default was chosen on.

    python examples/rotated_fashion.py                             # embedded subset, minutes
    python examples/rotated_fashion.py --full --data-dir DIR       # all of it, from a TFDS folder
    python examples/rotated_fashion.py --method joint              # the upper bound, not continual

Task k of n shows the same rows turned by (k - 1) 180 / n degrees.
Writes to --out: history.json, figure.png, model.keras, and the exported student in export/.
"""

import running

import keras_ccl as ccl


def main():
    about = __doc__.splitlines()[0]
    options = running.parser("rotated_fashion", about, tasks=5, epochs=10, full_epochs=12)
    arguments = options.parse_args()
    data = running.load("fashion_mnist", arguments)
    running.run(lambda seed: ccl.streams.rotated(data, tasks=arguments.tasks), arguments)


if __name__ == "__main__":
    main()
