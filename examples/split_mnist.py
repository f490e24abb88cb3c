"""Class-incremental MNIST: two new digits a task, one head for all ten, no task label at test.

    python examples/split_mnist.py                             # embedded subset, minutes
    python examples/split_mnist.py --full --data-dir DIR       # all of MNIST, from a TFDS folder
    python examples/split_mnist.py --dataset fashion_mnist     # Fashion-MNIST in its place

Writes to --out: history.json, figure.png, model.keras, and the exported student in export/.
"""

import running

import keras_ccl as ccl


def main():
    about = __doc__.splitlines()[0]
    options = running.parser("split_mnist", about, tasks=5, epochs=60, full_epochs=60)
    options.add_argument("--dataset", choices=ccl.datasets.CLASS_NAMES, default="mnist")
    arguments = options.parse_args()
    data = running.load(arguments.dataset, arguments)
    running.run(lambda seed: ccl.streams.split(data)[: arguments.tasks], arguments)


if __name__ == "__main__":
    main()
