"""What networks are made of: layers, residual blocks, inputs."""
