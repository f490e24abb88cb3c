"""ReadyMade: a JointVAE that comes with its method, every option in one signature."""

from typing import Any

from keras_ccl.models.joint_vae import JointVAE


class ReadyMade(JointVAE):
    """Saved with the options of its method beside its own."""

    @property
    def method_name(self) -> str:
        return type(self).__name__

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self.method.options()}
        del config["method"]  # the constructor makes it
        return config
