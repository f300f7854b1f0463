"""Jobs on other machines, handed to an engine that exists: SkyPilot, Google Cloud, GKE."""
