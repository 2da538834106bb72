"""What a living process shows over HTTP: health, metrics, configuration."""
