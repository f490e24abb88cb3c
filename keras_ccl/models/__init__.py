"""The models: JointVAE (vae-cl) and CCLGM."""
