"""Two replicas, in a process of its own: logical devices must be set before TensorFlow starts."""
